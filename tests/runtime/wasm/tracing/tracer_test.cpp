// Traces of guests: what is recorded, by pattern, however calls end.
#include <gtest/gtest.h>

#include "runtime/wasm/instance/instance_state.h"
#include "tests/runtime/wasm/tracing/traced_guest.h"

namespace shunt::test {
namespace {

class Tracing : public TracedGuest {
 protected:
  Tracer tracer;
};

TEST_F(Tracing, RecursiveCallsNest) {
  const Module module = load_traceable(fibonacci);
  Instance instance = must(linker.instantiate(module));
  const std::vector<Value> argument{Value::i32(fib_argument)};
  EXPECT_EQ(bits(instance.call("fib", argument)), fib_result);
  EXPECT_EQ(start(tracer, module, {"fib"}), 1U);
  EXPECT_EQ(bits(instance.call("fib", argument)), fib_result);
  ASSERT_TRUE(tracer.stop());
  EXPECT_EQ(bits(instance.call("fib", argument)), fib_result);
  const Trace trace = read_trace(tracer);
  EXPECT_EQ(trace.count("fib"), fib_calls) << "of one call: the other two were not traced";
  expect_nested(trace);
  EXPECT_EQ(trace.spans.front().category, "m.wat");
  for (const Span& span : trace.spans) EXPECT_EQ(span.ended, "");
  const TraceReport report = tracer.report();
  EXPECT_EQ(report.events, 2U * fib_calls);
  EXPECT_EQ(report.lost, 0U);
  EXPECT_EQ(report.functions, 0U);
}

// A function's own ways out, with values in registers of both classes and on the stack.
constexpr std::string_view ways_out = R"((module
  (func $values (param i32 i64 f32 f64 i64 i64 i64 i64 i64 f64 f64 f64 f64 f64 f64 f64 f64) (result i64 f64 i64 f32)
    (i64.add (local.get 1) (i64.add (local.get 8) (local.get 4)))
    (f64.add (local.get 3) (local.get 16))
    (i64.sub (local.get 7) (i64.extend_i32_u (local.get 0)))
    (local.get 2))
  (func $way (export "way") (param $way i32) (result i64)
    (local $a i64) (local $b i64) (local $x f64) (local $y f64)
    (local.set $a (i64.const 3)) (local.set $b (i64.const 5)) (local.set $x (f64.const 1.5)) (local.set $y (f64.const 2.5))
    (if (i32.eq (local.get $way) (i32.const 0)) (then (return (i64.const 7))))
    (block $end
      (br_if $end (i32.eq (local.get $way) (i32.const 1)))
      (if (i32.eq (local.get $way) (i32.const 2)) (then (return (i64.add (local.get $a) (local.get $b)))))
      (return (i64.trunc_f64_s (f64.mul (local.get $x) (local.get $y)))))
    (i64.mul (local.get $a) (local.get $b)))
  (func $table (export "table") (param i32) (result i32)
    (block (block (block (br_table 0 1 2 (local.get 0))) (return (i32.const 10))) (return (i32.const 11)))
    (i32.const 12))
  (func $early (export "early") (param i32) (result i32) (i32.const 4) (br_if 0 (local.get 0)) (drop) (i32.const 5))
  (func $nothing (export "nothing"))
  (func (export "many") (result i64 f64 i64 f32)
    (call $values (i32.const 1) (i64.const 2) (f32.const 3.5) (f64.const 4) (i64.const 5) (i64.const 6) (i64.const 7)
      (i64.const 8) (i64.const 9) (f64.const 10) (f64.const 11) (f64.const 12) (f64.const 13) (f64.const 14)
      (f64.const 15) (f64.const 16) (f64.const 17.25)))))";

TEST_F(Tracing, EveryWayOutIsSeenAndNoValueIsChanged) {
  const Module module = load_traceable(ways_out);
  Instance instance = must(linker.instantiate(module));
  const auto results = [&] {
    std::vector<std::uint64_t> all;
    for (std::uint32_t way = 0; way < 4; ++way) {
      const std::vector<Value> argument{Value::i32(way)};
      for (const char* name : {"way", "table", "early"}) all.push_back(bits(instance.call(name, argument)));
    }
    EXPECT_TRUE(instance.call("nothing"));
    for (const Value& value : must(instance.call("many"))) all.push_back(value.bits);
    return all;
  };
  const std::vector<std::uint64_t> expected = results();
  EXPECT_EQ(start(tracer, module, {"*"}), 6U);
  EXPECT_EQ(results(), expected);
  const Trace trace = read_trace(tracer);
  expect_nested(trace);
  for (const char* name : {"way", "table", "early"}) EXPECT_EQ(trace.count(name), 4U) << name;
  EXPECT_EQ(trace.count("nothing"), 1U);
  EXPECT_EQ(trace.count("many"), 1U);
  EXPECT_EQ(trace.count("values"), 1U);
  for (const Span& span : trace.spans) EXPECT_EQ(span.ended, "") << span.name;
}

TEST_F(Tracing, SitesAreOneNoOpEachWhileNothingIsTraced) {
  const Module module = load_traceable(fibonacci);
  const auto sites = [&] {
    std::map<std::string, int> all;
    for (const runtime::ModuleSite& site : module.sites(*engine)) {
      if (!site.traces) continue;
      EXPECT_EQ(site.function_name, "fib");
      EXPECT_GT(site.module_offset, 0U);
      std::string now = engine->instruction_now(site.site);
      ++all[now.substr(0, now.find(' '))];
    }
    return all;
  };
  const std::map<std::string, int> off = sites();
  ASSERT_EQ(off.size(), 1U);
  EXPECT_EQ(off.begin()->first, "nop");
  EXPECT_GE(off.begin()->second, 2) << "where it is entered, and in front of each return";
  start(tracer, module, {"fib"});
  const std::map<std::string, int> on = sites();
  ASSERT_EQ(on.size(), 1U);
  EXPECT_NE(on.begin()->first, "nop");
  ASSERT_TRUE(tracer.stop());
  EXPECT_EQ(sites(), off);
  const std::vector<std::uint8_t> bytes = must(runtime::assemble(fibonacci, "m.wat"));
  const Module without = must(Module::load(*engine, *flags, bytes, {.name = "m.wat", .tier = tier_under_test()}));
  EXPECT_EQ(without.sites(*engine).size() + static_cast<std::size_t>(off.begin()->second),
            module.sites(*engine).size());
}

// --- patterns ---

constexpr std::string_view names = R"((module
  (import "env" "log" (func $log))
  (func $parse (call $log))
  (func $parse_line (call $parse))
  (func (export "run") (call $parse_line))
  (func $other (export "visible") (call $parse))))";

TEST_F(Tracing, PatternsChooseFunctions) {
  linker.define_function("env", "log", {}, [](Caller, auto, auto) -> Status { return Ok{}; });
  const Module module = load_traceable(names);
  Instance instance = must(linker.instantiate(module));
  const auto calls = [&](const std::vector<std::string>& patterns) {
    Tracer one;
    start(one, module, patterns);
    EXPECT_TRUE(instance.call("run"));
    EXPECT_TRUE(instance.call("visible"));
    return read_trace(one).names();
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(calls({"parse*"}), (Names{"parse_line", "parse", "parse"}));
  EXPECT_EQ(calls({"parse"}), (Names{"parse", "parse"}));
  EXPECT_EQ(calls({"pars?"}), (Names{"parse", "parse"}));
  EXPECT_EQ(calls({"visible"}), (Names{"other"})) << "by the name of its export";
  EXPECT_EQ(calls({"func[3]", "func[4]"}), (Names{"run", "other"}));
  EXPECT_EQ(calls({"log", "run"}), (Names{"run", "env.log", "env.log"}));
  EXPECT_EQ(calls({}), Names{});
}

TEST_F(Tracing, APatternReplacesTheOneBefore) {
  linker.define_function("env", "log", {}, [](Caller, auto, auto) -> Status { return Ok{}; });
  const Module module = load_traceable(names);
  Instance instance = must(linker.instantiate(module));
  start(tracer, module, {"run"});
  EXPECT_EQ(start(tracer, module, {"parse", "parse_line"}), 2U);
  EXPECT_EQ(tracer.report().functions, 2U);
  EXPECT_TRUE(instance.call("run"));
  start(tracer, module, {});
  EXPECT_TRUE(instance.call("run"));
  EXPECT_EQ(read_trace(tracer).names(), (std::vector<std::string>{"parse_line", "parse"}));
}

TEST_F(Tracing, WhatCannotBeTracedIsSaid) {
  const Module module = load_traceable(names);
  EXPECT_EQ(
      refused(tracer, module, {"run", "prase*"}),
      "m.wat: no function matches 'prase*'; there are 'log', 'parse', 'parse_line', 'run', 'other' (also by index, "
      "up to func[4]; * and ? stand for any characters and for one)");
  EXPECT_EQ(tracer.report().functions, 0U);
  const std::vector<std::uint8_t> bytes = must(runtime::assemble(names, "plain.wat"));
  const Module plain = must(Module::load(*engine, *flags, bytes, {.name = "plain.wat"}));
  EXPECT_EQ(refused(tracer, plain, {"run"}), "plain.wat: it cannot be traced: load it with ModuleOptions::traceable");
  start(tracer, module, {"run"});
  Tracer second;
  EXPECT_EQ(refused(second, module, {"run"}), "m.wat: another tracer traces it: that has to stop first");
  ASSERT_TRUE(tracer.stop());
  EXPECT_EQ(start(second, module, {"run"}), 1U);
}

TEST_F(Tracing, NamesAreEscaped) {
  const Module module = load_traceable(R"((module (func (export "a\"b\\\0a\c3\a9"))))");
  Instance instance = must(linker.instantiate(module));
  start(tracer, module, {"*"});
  EXPECT_TRUE(instance.call("a\"b\\\n\xc3\xa9"));
  EXPECT_EQ(read_trace(tracer).names(), std::vector<std::string>{"a\"b\\\n\xc3\xa9"});
}

// --- calls that do not return ---

TEST_F(Tracing, ATrapEndsTheSpansOfItsCall) {
  const Module module = load_traceable(R"((module
    (func $divide (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0)))
    (func $middle (param i32) (result i32) (call $divide (local.get 0)))
    (func (export "run") (param i32) (result i32) (call $middle (local.get 0)))))");
  Instance instance = must(linker.instantiate(module));
  start(tracer, module, {"*"});
  EXPECT_EQ(failure(instance.call("run", std::vector{Value::i32(0)})).substr(0, 36),
            "Trap: m.wat: integer divide by zero ");
  EXPECT_EQ(bits(instance.call("run", std::vector{Value::i32(1)})), 1U);
  const Trace trace = read_trace(tracer);
  expect_nested(trace);
  ASSERT_EQ(trace.names(), (std::vector<std::string>{"run", "middle", "divide", "run", "middle", "divide"}));
  for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(trace.spans[i].ended, i < 3 ? "trap" : "") << i;
  EXPECT_NE(trace.json.dump().find(R"("trap":"integer divide by zero")"), std::string::npos);
}

TEST_F(Tracing, ExhaustedStacksAndInterruptsLikewise) {
  const Module module = load_traceable(R"((module
    (import "env" "cancel" (func $cancel))
    (func $down (export "down") (call $down))
    (func (export "endless") (call $cancel) (loop (br 0)))))");
  Store small = must(Store::create({.stack_bytes = 128 << 10}));  // a megabyte of calls would make a long trace
  Linker its_linker(small);
  its_linker.define_function("env", "cancel", {},
                             [&](Caller, auto, auto) -> Status { return small.interrupt_handle().cancel(); });
  Instance instance = must(its_linker.instantiate(module));
  start(tracer, module, {"down", "endless", "cancel"});
  EXPECT_NE(failure(instance.call("down")).find("call stack exhausted"), std::string::npos);
  EXPECT_NE(failure(instance.call("endless")).find("interrupted"), std::string::npos);
  const Trace trace = read_trace(tracer);
  expect_nested(trace);
  const std::size_t deep = trace.count("down");
  EXPECT_GT(deep, 1000U);
  ASSERT_EQ(trace.spans.size(), deep + 2);
  for (std::size_t i = 0; i < deep; ++i) ASSERT_EQ(trace.spans[i].ended, "trap") << i;
  EXPECT_EQ(trace.spans[deep].name, "endless");
  EXPECT_EQ(trace.spans[deep].ended, "interrupted");
  EXPECT_EQ(trace.spans[deep + 1].name, "env.cancel");
  EXPECT_EQ(trace.spans[deep + 1].category, "host");
  EXPECT_EQ(trace.spans[deep + 1].ended, "");
}

// Only the frames of the call that trapped are gone: the host function that made it goes on.
TEST_F(Tracing, ATrapOfANestedCallLeavesTheOuterOnesOpen) {
  Instance instance;
  linker.define_function("env", "try", {}, [&](Caller, auto, auto) -> Status {
    EXPECT_FALSE(instance.call("inner"));
    return Ok{};
  });
  linker.define_function("env", "exit", {},
                         [](Caller, auto, auto) -> Status { return make_error(ErrorCode::GuestExit, "3"); });
  linker.define_function("env", "fail", {},
                         [](Caller, auto, auto) -> Status { return make_error(ErrorCode::InvalidArgument, "no"); });
  const Module module = load_traceable(R"((module
    (import "env" "try" (func $try)) (import "env" "exit" (func $exit)) (import "env" "fail" (func $fail))
    (func $leaf unreachable)
    (func (export "inner") (call $leaf))
    (func (export "outer") (call $try) (call $exit))
    (func (export "fails") (call $fail))))");
  instance = must(linker.instantiate(module));
  start(tracer, module, {"*"});
  EXPECT_EQ(failure(instance.call("outer")), "GuestExit: 3");
  EXPECT_EQ(failure(instance.call("fails")), "InvalidArgument: no");
  const Trace trace = read_trace(tracer);
  expect_nested(trace);
  std::vector<std::string> ends;
  for (const Span& span : trace.spans) ends.push_back(span.name + ":" + span.ended);
  EXPECT_EQ(ends, (std::vector<std::string>{"outer:exit", "env.try:", "inner:trap", "leaf:trap",
                                            "env.exit:", "fails:host error", "env.fail:"}));
}

TEST_F(Tracing, CallsThatRunAreShownAsRunning) {
  Trace during;
  linker.define_function("env", "look", {}, [&](Caller, auto, auto) -> Status {
    during = read_trace(tracer);
    EXPECT_TRUE(tracer.stop());  // under its own frames
    return Ok{};
  });
  const Module module = load_traceable(R"((module
    (import "env" "look" (func $look)) (func $in (call $look)) (func (export "run") (call $in))))");
  Instance instance = must(linker.instantiate(module));
  start(tracer, module, {"in", "run"});
  EXPECT_TRUE(instance.call("run"));
  ASSERT_EQ(during.names(), (std::vector<std::string>{"run", "in"}));
  for (const Span& span : during.spans) EXPECT_EQ(span.ended, "running");
  start(tracer, module, {"run"});
  linker.define_function("env", "look", {}, [](Caller, auto, auto) -> Status { return Ok{}; });
  Instance second = must(linker.instantiate(module));
  EXPECT_TRUE(second.call("run"));
  const Trace trace = read_trace(tracer);
  expect_nested(trace);
  std::vector<std::string> ends;
  for (const Span& span : trace.spans) ends.push_back(span.name + ":" + span.ended);
  EXPECT_EQ(ends, (std::vector<std::string>{"run:not seen", "in:not seen", "run:"}));
}

}  // namespace
}  // namespace shunt::test
