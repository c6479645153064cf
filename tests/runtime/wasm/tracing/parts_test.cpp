// Patterns, and spans made of events.
#include <gtest/gtest.h>

#include "runtime/wasm/tracing/function_patterns.h"
#include "runtime/wasm/tracing/spans.h"
#include "tests/runtime/wasm/tiers/written_by_hand.h"
#include "tests/runtime/wasm/tracing/traced_guest.h"

namespace shunt::test {
namespace {

TEST(FunctionPatterns, Match) {
  using wasm::matches;
  for (const auto& [pattern, name] : std::vector<std::pair<const char*, const char*>>{{"", ""},
                                                                                      {"*", ""},
                                                                                      {"*", "abc"},
                                                                                      {"a*", "a"},
                                                                                      {"a*c", "abbc"},
                                                                                      {"*b*", "abc"},
                                                                                      {"a?c", "abc"},
                                                                                      {"func[12]", "func[12]"},
                                                                                      {"*ab*ab", "abxabab"},
                                                                                      {"**", "x"},
                                                                                      {"a*b*c*d", "aXbXbcXd"}}) {
    EXPECT_TRUE(matches(pattern, name)) << pattern << " " << name;
  }
  for (const auto& [pattern, name] : std::vector<std::pair<const char*, const char*>>{{"", "a"},
                                                                                      {"a", ""},
                                                                                      {"?", ""},
                                                                                      {"a*c", "abcd"},
                                                                                      {"func[12]", "func1"},
                                                                                      {"*ab", "aba"},
                                                                                      {"a?c", "ac"},
                                                                                      {"A", "a"}}) {
    EXPECT_FALSE(matches(pattern, name)) << pattern << " " << name;
  }
  const std::string many(5000, 'a');
  EXPECT_FALSE(matches("*a*a*a*a*a*a*a*a*b", many)) << "soon";
}

using Kind = wasm::TraceEvent::Kind;
using Ended = wasm::TraceSpan::Ended;

class Spans : public testing::Test {
 protected:
  void add(Kind kind, std::uint32_t function, std::uint32_t frame) {
    stream_.add({.time_ns = ++now_, .function = function, .frame = frame, .thread = 1, .module = 0, .kind = kind});
  }
  // "function:begin-end:how", each.
  std::string made(std::uint64_t read_at = 100) {
    std::string text;
    for (const wasm::TraceSpan& span : make_spans(stream_.chunks(), read_at)) {
      static constexpr std::array how = {"returned", "unwound", "not seen", "running"};
      text += std::to_string(span.function) + ":" + std::to_string(span.begin_ns) + "-" + std::to_string(span.end_ns) +
              ":" + how[static_cast<std::size_t>(span.ended)] + " ";
    }
    return text;
  }
  std::uint64_t now_ = 0;
  wasm::TraceStream stream_{std::make_shared<wasm::TraceBudget>(1 << 20)};
};

// The guest runs on while its events are read.
TEST_F(Spans, WhatIsOpenLastsAsLongAsWhatItHolds) {
  add(Kind::Enter, 1, 10);
  add(Kind::Enter, 2, 20);
  add(Kind::Leave, 2, 20);
  EXPECT_EQ(made(2), "1:1-3:running 2:2-3:returned ");
}

TEST_F(Spans, ReturnsWithoutABeginningAreLeftOut) {
  add(Kind::Leave, 7, 30);
  add(Kind::Enter, 1, 10);
  add(Kind::Leave, 7, 5);  // ends 1, too
  add(Kind::Enter, 2, 10);
  add(Kind::Leave, 2, 10);
  EXPECT_EQ(made(), "1:2-3:not seen 2:4-5:returned ");
}

TEST_F(Spans, AFrameInTheSamePlaceEndsTheOneBefore) {
  add(Kind::Enter, 1, 10);
  add(Kind::Enter, 2, 20);
  add(Kind::Enter, 3, 10);
  add(Kind::Leave, 3, 10);
  EXPECT_EQ(made(), "1:1-3:not seen 2:2-3:not seen 3:3-4:returned ");
}

TEST_F(Spans, AnotherFunctionsReturnInTheSamePlaceIsNotSeen) {
  add(Kind::Enter, 1, 10);
  add(Kind::Leave, 2, 10);
  EXPECT_EQ(made(), "1:1-2:not seen ");
}

TEST_F(Spans, UnwindingEndsTheFramesBelow) {
  add(Kind::Enter, 1, 10);
  add(Kind::EnterHost, 2, 20);
  add(Kind::Enter, 3, 21);
  add(Kind::Enter, 4, 30);
  add(Kind::Unwind, 1, 20);
  add(Kind::LeaveHost, 2, 20);
  EXPECT_EQ(made(), "1:1-100:running 2:2-6:returned 3:3-5:unwound 4:4-5:unwound ");
}

// --- tiers ---

using TracedTiers = TiersTest;

// Written by hand, so that each tier has results of its own: while a module is traced, the baseline runs.
TEST_F(TracedTiers, TracedModulesRunInTheBaseline) {
  written["f"] = [](VmContext*, std::uint64_t* slots) { slots[0] = 2; };
  const std::vector<std::uint8_t> bytes = must(runtime::assemble(R"((module
      (func $f (export "f") (result i32) (i32.const 1)) (func (export "g") (result i32) (call $f))))",
                                                                 "m.wat"));
  const Module module = must(wasm::ModuleLoader(*engine, *flags, &take_written)
                                 .load(bytes, {.name = "m.wat", .tier = runtime::Tier::Optimising, .traceable = true}));
  Instance instance = must(linker.instantiate(module));
  Tracer tracer;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(bits(instance.call("g")), 2U);
    must(tracer.trace(module, std::array{std::string("g")}));
    EXPECT_EQ(bits(instance.call("g")), 1U);
    must(tracer.trace(module, std::array{std::string("f")}));
    EXPECT_EQ(bits(instance.call("g")), 1U);
    ASSERT_TRUE(tracer.stop());
  }
  EXPECT_EQ(bits(instance.call("g")), 2U);
  EXPECT_EQ(read_trace(tracer).names(), (std::vector<std::string>{"g", "f", "g", "f", "g", "f"}));
}

}  // namespace
}  // namespace shunt::test
