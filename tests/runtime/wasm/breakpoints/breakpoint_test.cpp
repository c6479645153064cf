// Where guests stop, how often, and how they go on.
#include <algorithm>
#include <cstdio>
#include <stdexcept>

#include "tests/runtime/wasm/breakpoints/debugged_guest.h"

namespace shunt::test {
namespace {

// sum(n) = n + (n - 1) + ... + 1
constexpr std::string_view summing = R"((module
  (func $sum (export "sum") (param i32) (result i32) (local i32)
    (loop
      (local.set 1 (i32.add (local.get 1) (local.get 0)))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 1))
  (func (export "twice") (param i32) (result i32)
    (i32.add (call $sum (local.get 0)) (call $sum (local.get 0))))))";

class BreakpointTest : public DebuggedGuest {
 protected:
  static std::uint64_t sum(Instance& instance, std::uint32_t n) {
    return bits(instance.call("sum", std::vector{Value::i32(n)}));
  }
};

TEST_F(BreakpointTest, IsHitOnceForEachExecution) {
  const Module module = load_debuggable(summing);
  Instance instance = must(linker.instantiate(module));
  EXPECT_EQ(sum(instance, 10), 55u);
  const std::vector<std::uint32_t> operations = must(Breakpoint::operations(module, "sum"));
  // loop; get get add set; get const sub tee br_if; end; get; end
  const std::vector<std::uint64_t> per_call = {1, 10, 10, 10, 10, 10, 10, 10, 10, 10, 1, 1, 1};
  ASSERT_EQ(operations.size(), per_call.size());
  std::vector<Breakpoint> breakpoints;
  std::vector<std::uint64_t> counts(operations.size());
  for (std::size_t i = 0; i < operations.size(); ++i) {
    breakpoints.push_back(must(Breakpoint::set(module, {"sum", operations[i]}, [&counts, i](BreakpointContext&) {
      ++counts[i];
      return BreakpointAction::Resume;
    })));
  }
  EXPECT_EQ(sum(instance, 10), 55u);
  EXPECT_EQ(counts, per_call);
  EXPECT_EQ(bits(instance.call("twice", std::vector{Value::i32(10)})), 110u);
  for (std::size_t i = 0; i < operations.size(); ++i) {
    EXPECT_EQ(breakpoints[i].hits(), 3 * per_call[i]) << i;
    EXPECT_EQ(breakpoints[i].offset(), operations[i]);
    ASSERT_TRUE(breakpoints[i].clear());
  }
  EXPECT_EQ(sum(instance, 10), 55u);
  for (std::size_t i = 0; i < operations.size(); ++i) EXPECT_EQ(breakpoints[i].hits(), 3 * per_call[i]) << i;
}

TEST_F(BreakpointTest, WithoutAnOffsetStandsAtTheFirstOperation) {
  const Module module = load_debuggable(summing);
  Instance instance = must(linker.instantiate(module));
  std::vector<std::string> seen;
  const Breakpoint breakpoint = must(Breakpoint::set(module, {"sum", {}}, [&](BreakpointContext& at) {
    seen.push_back(at.module() + " " + at.function_name() + " " + std::to_string(at.local(0).as_i32()));
    EXPECT_EQ(at.function(), 0u);
    EXPECT_EQ(at.offset(), offset_of(module, "sum", 0));
    EXPECT_FALSE(at.is_step());
    return BreakpointAction::Resume;
  }));
  EXPECT_EQ(sum(instance, 4), 10u);
  EXPECT_EQ(seen, std::vector<std::string>{"m.wat sum 4"});
}

TEST_F(BreakpointTest, OneOperationMayHaveSeveral) {
  const Module module = load_debuggable(summing);
  Instance instance = must(linker.instantiate(module));
  Breakpoint first = at(module, "sum", 1, resume);
  Breakpoint second = at(module, "sum", 1, resume);
  sum(instance, 5);
  ASSERT_TRUE(first.clear());
  sum(instance, 5);
  EXPECT_EQ(first.hits(), 5u);
  EXPECT_EQ(second.hits(), 10u);
}

TEST_F(BreakpointTest, StopEndsTheCallAndNamesThePlace) {
  const Module module = load_debuggable(summing);
  Instance instance = must(linker.instantiate(module));
  int left = 3;
  Breakpoint breakpoint = at(module, "sum", 4, [&](BreakpointContext&) {
    return --left == 0 ? BreakpointAction::Stop : BreakpointAction::Resume;
  });
  char place[24];
  std::snprintf(place, sizeof place, "0x%04x", breakpoint.offset());
  EXPECT_EQ(failure(instance.call("sum", std::vector{Value::i32(10)})),
            std::string("Interrupted: m.wat: stopped at a breakpoint in function sum at byte ") + place);
  EXPECT_EQ(breakpoint.hits(), 3u);
  left = 100;
  EXPECT_EQ(sum(instance, 10), 55u) << "the store can be used again";
}

TEST_F(BreakpointTest, StepsThroughOneCallAndOverOthers) {
  const Module module = load_debuggable(R"((module
    (func $f (export "f") (param i32) (result i32)
      (if (i32.eqz (local.get 0)) (then (return (i32.const 1))))
      (i32.mul (local.get 0) (call $f (i32.sub (local.get 0) (i32.const 1)))))))");
  Instance instance = must(linker.instantiate(module));
  std::vector<std::string> seen;
  const std::vector<std::uint32_t> operations = must(Breakpoint::operations(module, "f"));
  int stops = 0;
  Breakpoint breakpoint = at(module, "f", 0, [&](BreakpointContext& at) {
    if (!at.is_step() && ++stops != 2) return BreakpointAction::Resume;  // the call of depth 2 alone
    const auto index = std::find(operations.begin(), operations.end(), at.offset()) - operations.begin();
    seen.push_back(std::to_string(at.local(0).as_i32()) + "@" + std::to_string(index));
    return BreakpointAction::Step;
  });
  EXPECT_EQ(bits(instance.call("f", std::vector{Value::i32(3)})), 6u);
  // get eqz if [const return] get get const sub call mul end; calls in between are breakpoints that resume.
  const std::vector<std::string> expected = {"2@0", "2@1", "2@2",  "2@5",  "2@6",  "2@7",
                                             "2@8", "2@9", "2@10", "2@11", "3@10", "3@11"};
  EXPECT_EQ(seen, expected);
  EXPECT_EQ(breakpoint.hits(), 4u);
  // The step ended with the call: another one stops at breakpoints alone.
  seen.clear();
  EXPECT_EQ(bits(instance.call("f", std::vector{Value::i32(0)})), 1u);
  EXPECT_EQ(seen, std::vector<std::string>{});
}

TEST_F(BreakpointTest, ComesBackInEveryDepthOfARecursion) {
  const Module module = load_debuggable(R"((module
    (func $fib (export "fib") (param i32) (result i32)
      (if (result i32) (i32.lt_u (local.get 0) (i32.const 2))
        (then (local.get 0))
        (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
                       (call $fib (i32.sub (local.get 0) (i32.const 2)))))))))");
  Instance instance = must(linker.instantiate(module));
  std::vector<std::uint64_t> by_argument(11);
  const Breakpoint breakpoint = at(module, "fib", 0, [&](BreakpointContext& at) {
    ++by_argument.at(at.local(0).bits);
    return BreakpointAction::Resume;
  });
  EXPECT_EQ(bits(instance.call("fib", std::vector{Value::i32(10)})), 55u);
  const std::vector<std::uint64_t> expected = {34, 55, 34, 21, 13, 8, 5, 3, 2, 1, 1};
  EXPECT_EQ(by_argument, expected);
}

TEST_F(BreakpointTest, TrapsInADebuggedFunctionNameTheSamePlace) {
  const Module module = load_debuggable(R"((module (memory 1)
    (table funcref (elem $divide))
    (func $divide (export "divide") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
    (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
    (func (export "unreachable") (param i32) unreachable)
    (func (export "truncate") (param f32) (result i32) (i32.trunc_f32_s (local.get 0)))
    (func (export "grow") (param i32) (memory.fill (local.get 0) (i32.const 0) (i32.const 10)))
    (func (export "indirect") (param i32) (call_indirect (local.get 0)))
    (func (export "last"))))");
  Instance instance = must(linker.instantiate(module));
  const std::vector<std::pair<std::string, std::vector<Value>>> calls = {
      {"divide", {Value::i32(1), Value::i32(0)}},
      {"divide", {Value::i32(0x80000000), Value::i32(0xffffffff)}},
      {"load", {Value::i32(70000)}},
      {"unreachable", {Value::i32(1)}},
      {"truncate", {Value::f32(3e20F)}},
      {"grow", {Value::i32(65530)}},
      {"indirect", {Value::i32(0)}},
      {"indirect", {Value::i32(7)}}};
  for (const auto& [name, arguments] : calls) {
    const std::string plain = failure(instance.call(name, arguments));
    EXPECT_TRUE(plain.starts_with("Trap: m.wat: ")) << plain;
    const Breakpoint breakpoint = at(module, name, 0, resume);
    EXPECT_EQ(failure(instance.call(name, arguments)), plain);
    EXPECT_NE(breakpoint.hits(), 0u) << name;
  }
}

TEST_F(BreakpointTest, ADebuggedFunctionsStackMayOverflow) {
  const Module module = load_debuggable(R"((module
    (func $deep (export "deep") (param i64) (result i64) (i64.add (local.get 0) (call $deep (local.get 0))))))");
  Instance instance = must(linker.instantiate(module));
  const Breakpoint breakpoint = at(module, "deep", 0, resume);
  for (const std::uint64_t hits_at_least : {1000u, 2000u}) {
    EXPECT_TRUE(
        failure(instance.call("deep", std::vector{Value::i64(1)})).starts_with("Trap: m.wat: call stack exhausted"));
    EXPECT_GT(breakpoint.hits(), hits_at_least);
  }
}

TEST_F(BreakpointTest, HandlersThatThrowEndTheGuest) {
  const Module module = load_debuggable(summing);
  Instance instance = must(linker.instantiate(module));
  {
    const Breakpoint breakpoint =
        at(module, "sum", 0, [](BreakpointContext&) -> BreakpointAction { throw std::runtime_error("no idea"); });
    EXPECT_EQ(failure(instance.call("sum", std::vector{Value::i32(1)})),
              "Trap: a breakpoint's handler threw an exception: no idea");
  }
  EXPECT_EQ(sum(instance, 3), 6u);
}

TEST_F(BreakpointTest, HandlersMayCallGuestsAndSetAndClear) {
  const Module module = load_debuggable(summing);
  Instance instance = must(linker.instantiate(module));
  int depth = 0;
  Breakpoint breakpoint, other;
  std::uint64_t inner = 0;
  breakpoint = at(module, "sum", 3, [&](BreakpointContext& context) {
    if (depth != 0) return BreakpointAction::Resume;
    ++depth;
    inner = bits(context.instance().call("sum", std::vector{Value::i32(4)}));
    EXPECT_TRUE(breakpoint.clear());
    other = at(module, "sum", 5, resume);
    return BreakpointAction::Resume;
  });
  EXPECT_EQ(sum(instance, 10), 55u);
  EXPECT_EQ(inner, 10u);
  EXPECT_EQ(breakpoint.hits(), 5u) << "once, and four times in the call that the handler made";
  EXPECT_EQ(other.hits(), 10u);
}

// Optimised code may hold a copy of the function: none of the module's is entered meanwhile.
TEST_F(BreakpointTest, OptimisedCodeWaitsMeanwhile) {
  const Module module = load_debuggable(summing);
  Instance instance = must(linker.instantiate(module));
  const auto optimised = [&] { return instance.state()->functions[1].optimised; };
  const void* const before = optimised();
  EXPECT_EQ(before != nullptr, tier_under_test() == runtime::Tier::Optimising);
  Breakpoint breakpoint = at(module, "sum", 0, resume);
  Breakpoint other = at(module, "sum", 1, resume);
  EXPECT_EQ(optimised(), nullptr);
  EXPECT_EQ(bits(instance.call("twice", std::vector{Value::i32(10)})), 110u);
  EXPECT_EQ(breakpoint.hits(), 2u);
  ASSERT_TRUE(breakpoint.clear());
  EXPECT_EQ(optimised(), nullptr);
  ASSERT_TRUE(other.clear());
  EXPECT_EQ(optimised(), before);
  EXPECT_EQ(bits(instance.call("twice", std::vector{Value::i32(10)})), 110u);
}

TEST_F(BreakpointTest, PlacesThatAreNoneAreRefusedByName) {
  const Module module = load_debuggable(R"((module
    (import "env" "out" (func $out))
    (func $f (export "g") (result i32) (i32.const 77777) (br 0) (nop))))");
  const auto refusal = [&](const BreakpointPlace& place) {
    const Result<Breakpoint> refused = Breakpoint::set(module, place, resume);
    return refused ? "set" : std::string(name_of(refused.error().code())) + ": " + refused.error().message();
  };
  const std::vector<std::uint32_t> operations = must(Breakpoint::operations(module, "f"));
  ASSERT_EQ(operations.size(), 2u);
  const auto hex = [](std::uint32_t offset) {
    char text[16];
    std::snprintf(text, sizeof text, "0x%04x", offset);
    return std::string(text);
  };
  EXPECT_EQ(refusal({"f", operations[0] + 1}),
            "InvalidArgument: m.wat: no operation of function f that can be reached begins at byte " +
                hex(operations[0] + 1) + "; the nearest begin at " + hex(operations[0]) + " and " + hex(operations[1]));
  EXPECT_EQ(refusal({"f", operations[1] + 2}),
            "InvalidArgument: m.wat: no operation of function f that can be reached begins at byte " +
                hex(operations[1] + 2) + "; the nearest begin at " + hex(operations[1]));
  EXPECT_EQ(refusal({"h", {}}),
            "InvalidArgument: m.wat: no function 'h' to set a breakpoint in; write its name as messages have it, an "
            "export of it, or its index");
  EXPECT_EQ(refusal({"out", {}}), "InvalidArgument: m.wat: function 'out' is imported: it has no operations here");
  EXPECT_EQ(refusal({"", 3}), "InvalidArgument: m.wat: byte 0x0003 is in no function");
  EXPECT_EQ(refusal({"", {}}), "InvalidArgument: m.wat: a breakpoint needs a function or an offset");
  for (const BreakpointPlace& place :
       std::vector<BreakpointPlace>{{"f", {}}, {"g", {}}, {"1", {}}, {"", operations[1]}}) {
    EXPECT_EQ(refusal(place), "set") << place.function;
  }
  const Result<Breakpoint> plain = Breakpoint::set(must(load("(module (func $f))")), {"f", {}}, resume);
  ASSERT_FALSE(plain);
  EXPECT_EQ(plain.error().message(), "m.wat: breakpoints need a module that was loaded with ModuleOptions::debuggable");
}

TEST_F(BreakpointTest, PlacesAreReadAsTrapsWriteThem) {
  const auto parsed = [](std::string_view text) {
    const Result<BreakpointPlace> place = BreakpointPlace::parse(text);
    if (!place) return std::string("refused");
    return place->function + " " + (place->offset ? std::to_string(*place->offset) : "first");
  };
  EXPECT_EQ(parsed("parse"), "parse first");
  EXPECT_EQ(parsed("parse:0x1a2b"), "parse 6699");
  EXPECT_EQ(parsed("parse:17"), "parse 17");
  EXPECT_EQ(parsed(":0x10"), " 16");
  EXPECT_EQ(parsed("std::vector::at:0x10"), "std::vector::at 16");
  EXPECT_EQ(parsed("std::at"), "std::at first");
  EXPECT_EQ(parsed(""), "refused");
  EXPECT_EQ(parsed("parse:"), "refused");
}

}  // namespace
}  // namespace shunt::test
