// Guests that are traced, and their traces read back.
#pragma once

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "shunt/runtime/trace.h"
#include "tests/runtime/wasm/instance/guest_fixture.h"

namespace shunt::test {

using Json = nlohmann::json;
using runtime::Tracer;
using runtime::TraceReport;

struct Span {
  std::string name, category, ended;
  double begin = 0, end = 0;  // microseconds
  int thread = 0;
};

struct Trace {
  Json json;
  std::vector<Span> spans;  // in the order of the file
  std::map<int, std::string> threads;

  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const Span& span : spans) all.push_back(span.name);
    return all;
  }
  [[nodiscard]] std::size_t count(const std::string& name) const {
    return static_cast<std::size_t>(std::ranges::count(spans, name, &Span::name));
  }
};

inline Trace read_trace(const Tracer& tracer) {
  std::ostringstream text;
  const Status status = tracer.write(text);
  EXPECT_TRUE(status) << status.error().message();
  Trace trace;
  trace.json = Json::parse(text.str());
  for (const Json& event : trace.json["traceEvents"]) {
    const std::string phase = event["ph"];
    const int thread = event["tid"];
    if (phase == "M") trace.threads[thread] = event["args"]["name"];
    if (phase != "X") continue;
    EXPECT_GE(event["ts"], 0);
    EXPECT_GE(event["dur"], 0);
    EXPECT_GT(event["pid"], 0);
    Span& span = trace.spans.emplace_back();
    span.name = event["name"];
    span.category = event["cat"];
    span.thread = thread;
    span.begin = event["ts"];
    span.end = span.begin + event["dur"].get<double>();
    if (event.contains("args")) span.ended = event["args"]["ended"];
  }
  return trace;
}

// Of each thread, any two spans lie one within the other or apart; the outer one of two that begin together comes
// first.
inline void expect_nested(const Trace& trace) {
  constexpr double resolution = 0.0015;  // microseconds: times are rounded to nanoseconds
  std::map<int, std::vector<Span>> open;
  for (const Span& span : trace.spans) {
    std::vector<Span>& around = open[span.thread];
    while (!around.empty() && around.back().end <= span.begin + resolution && around.back().end < span.end) {
      around.pop_back();
    }
    if (!around.empty()) {
      ASSERT_LE(span.end, around.back().end + resolution) << span.name << " leaves " << around.back().name;
    }
    around.push_back(span);
    EXPECT_TRUE(trace.threads.contains(span.thread));
  }
}

class TracedGuest : public GuestTest {
 protected:
  Module load_traceable(std::string_view text, const std::string& name = "m.wat") {
    const std::vector<std::uint8_t> bytes = must(runtime::assemble(text, name));
    return must(Module::load(*engine, *flags, bytes, {.name = name, .tier = tier_under_test(), .traceable = true}));
  }
  static std::size_t start(Tracer& tracer, const Module& module, const std::vector<std::string>& patterns) {
    return must(tracer.trace(module, patterns));
  }
  static std::string refused(Tracer& tracer, const Module& module, const std::vector<std::string>& patterns) {
    const Result<std::size_t> traced = tracer.trace(module, patterns);
    if (traced) return "traced";
    EXPECT_EQ(traced.error().code(), ErrorCode::InvalidArgument);
    return traced.error().message();
  }
};

// 2 * fib(n + 1) - 1 calls.
inline constexpr std::string_view fibonacci = R"((module
  (func $fib (export "fib") (param i32) (result i32)
    (if (result i32) (i32.lt_u (local.get 0) (i32.const 2))
      (then (local.get 0))
      (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
                     (call $fib (i32.sub (local.get 0) (i32.const 2)))))))))";
inline constexpr std::uint32_t fib_argument = 12, fib_result = 144, fib_calls = 465;

}  // namespace shunt::test
