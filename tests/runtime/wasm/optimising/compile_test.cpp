// What LLVM must not make of a guest's function, and how its code is found.
#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "runtime/wasm/module/module_loader.h"
#include "tests/runtime/wasm/instance/guest_fixture.h"
#include "tests/runtime/wasm/optimising/last_compiled.h"

namespace shunt::test {
namespace {

class Compile : public GuestTest {
 protected:
  Instance optimised(const std::string& text, wasm::OptimisingCompiler compiler = &wasm::compile_optimised) {
    const std::vector<std::uint8_t> bytes = must(runtime::assemble(text, "m.wat"));
    wasm::ModuleLoader loader(*engine, *flags, compiler);
    return must(linker.instantiate(must(loader.load(bytes, {.name = "m.wat", .tier = runtime::Tier::Optimising}))));
  }
};

Result<std::unique_ptr<wasm::OptimisedCode>> all_but_the_first(const wasm::OptimisingOptions& options,
                                                               const wasm::ModuleData& module,
                                                               std::span<const wasm::FunctionBody> bodies) {
  return wasm::compile_optimised(options, module, bodies.subspan(1));
}

// --- reads of flags ---

// What both arms do alike is not done once behind them, with one site for both flags.
TEST_F(Compile, TwoFlagsInTwoArmsStayTwo) {
  Instance instance = optimised(R"((module
      (import "flags" "a" (func $a (result i32))) (import "flags" "b" (func $b (result i32)))
      (func (export "number") (param i32) (result i32)
        (if (result i32) (local.get 0) (then (call $a)) (else (call $b))))
      (func (export "branch") (param i32) (result i32)
        (if (result i32) (local.get 0)
          (then (if (result i32) (call $a) (then (i32.const 1)) (else (i32.const 0))))
          (else (if (result i32) (i32.eqz (call $b)) (then (i32.const 0)) (else (i32.const 1))))))))");
  for (int state = 0; state < 4; ++state) {
    must(flags->set("a", (state & 1) != 0));
    must(flags->set("b", (state & 2) != 0));
    for (const char* const name : {"number", "branch"}) {
      EXPECT_EQ(bits(instance.call(name, std::vector{Value::i32(1)})), state & 1) << name << state;
      EXPECT_EQ(bits(instance.call(name, std::vector{Value::i32(0)})), state >> 1) << name << state;
    }
  }
}

// --- recursion ---

TEST_F(Compile, EndlessRecursionByTailCallsIsATrap) {
  Instance instance = optimised(R"((module
      (func $self (export "self") (param i32) (result i32) (call $self (i32.add (local.get 0) (i32.const 1))))
      (func $even (export "even") (param i64 f32) (call $odd (local.get 1) (local.get 0)))
      (func $odd (param f32 i64) (call $even (local.get 1) (local.get 0)))
      (func $idle (export "idle") (call $idle))
      (type $t (func)) (table 1 funcref) (elem (i32.const 0) func $by_table)
      (func $by_table (export "by_table") (call_indirect (type $t) (i32.const 0)))))");
  for (int round = 0; round < 2; ++round) {
    for (const char* const name : {"idle", "by_table"}) {
      EXPECT_TRUE(failure(instance.call(name)).starts_with("Trap: m.wat: call stack exhausted")) << name;
    }
    EXPECT_TRUE(failure(instance.call("self", std::vector{Value::i32(0)})).starts_with("Trap: m.wat: call stack"));
    EXPECT_TRUE(failure(instance.call("even", std::vector{Value::i64(0), Value::f32(0)}))
                    .starts_with("Trap: m.wat: call stack exhausted"));
  }
}

// --- what is seen after a trap ---

TEST_F(Compile, WhatWasStoredBeforeATrapIsSeenAfterIt) {
  Instance instance = optimised(R"((module (memory (export "memory") 1)
      (global $g (export "g") (mut i32) (i32.const 0)) (global $h (export "h") (mut f64) (f64.const 0))
      (func (export "overwritten") (param i32)
        (global.set $g (i32.const 1)) (drop (i32.load (local.get 0))) (global.set $g (i32.const 2)))
      (func (export "counted") (param $from i32)
        (loop $again
          (global.set $g (i32.add (global.get $g) (i32.const 1)))
          (i32.store (local.get $from) (i32.const 7))
          (local.set $from (i32.add (local.get $from) (i32.const 4)))
          (br $again)))
      (func (export "divided") (param i32)
        (global.set $h (f64.const 1.5)) (drop (i32.div_u (i32.const 1) (local.get 0)))
        (global.set $h (f64.const 2.5)))))");
  const auto traps = [&](const char* name, std::uint32_t argument) {
    return failure(instance.call(name, std::vector{Value::i32(argument)})) != "returned";
  };
  EXPECT_TRUE(traps("overwritten", 65536));
  EXPECT_EQ(must(instance.global("g")).as_i32(), 1);
  EXPECT_FALSE(traps("overwritten", 0));
  EXPECT_EQ(must(instance.global("g")).as_i32(), 2);
  ASSERT_TRUE(instance.set_global("g", Value::i32(0)));
  EXPECT_TRUE(traps("counted", 65536 - 4000));
  EXPECT_EQ(must(instance.global("g")).as_i32(), 1001) << "once more than fits";
  EXPECT_EQ(instance.memory().bytes()[65532], 7);
  EXPECT_TRUE(traps("divided", 0));
  EXPECT_EQ(must(instance.global("h")).as_f64(), 1.5);
}

TEST_F(Compile, ALoadThatIsNotChosenTraps) {
  Instance instance = optimised(R"((module (memory 1)
      (func (export "narrow") (param i32 i32) (result i32)
        (select (i32.const 2) (i32.load (local.get 0)) (local.get 1)))
      (func (export "wide") (param i32 i32) (result i64)
        (select (i64.load32_u (local.get 0)) (i64.const 2) (local.get 1)))))");
  for (const char* const name : {"narrow", "wide"}) {
    for (const std::uint32_t condition : {0U, 1U}) {
      const std::string message = failure(instance.call(name, std::vector{Value::i32(65536), Value::i32(condition)}));
      EXPECT_TRUE(message.starts_with("Trap: m.wat: out of bounds memory access")) << name << condition << message;
    }
  }
}

// --- signalling NaNs are made quiet by each operation ---

TEST_F(Compile, ArithmeticThatChangesNothingMakesNaNsQuiet) {
  const std::array operations = {
      "(f64.mul (local.get 0) (f64.const 1))",
      "(f64.mul (f64.const -1) (local.get 0))",
      "(f64.div (local.get 0) (f64.const 1))",
      "(f64.add (local.get 0) (f64.const -0))",
      "(f64.sub (local.get 0) (f64.const 0))",
      "(f64.sub (f64.const -0) (local.get 0))",
      "(f64.min (local.get 0) (local.get 0))",
      "(f64.max (local.get 0) (f64.const inf))",
      "(f64.nearest (local.get 0))",
      "(f64.sqrt (local.get 0))",
      "(f64.promote_f32 (f32.demote_f64 (local.get 0)))",
  };
  std::string text = "(module";
  for (std::size_t i = 0; i < operations.size(); ++i) {
    text += " (func (export \"" + std::to_string(i) + "\") (param f64) (result f64) " + operations[i] + ")";
  }
  text += R"((func (export "round_trip") (param f32) (result f32)
      (f32.demote_f64 (f64.promote_f32 (local.get 0))))))";
  Instance instance = optimised(text);
  Value signalling = Value::f64(0);
  signalling.bits = 0x7ff4'0000'0000'0000;
  for (std::size_t i = 0; i < operations.size(); ++i) {
    const std::uint64_t result = bits(instance.call(std::to_string(i), std::vector{signalling}));
    EXPECT_EQ(result & 0x7ff8'0000'0000'0000, 0x7ff8'0000'0000'0000) << operations[i];
  }
  Value narrow = Value::f32(0);
  narrow.bits = 0x7fa0'0000;
  EXPECT_EQ(bits(instance.call("round_trip", std::vector{narrow})) & 0x7fc0'0000, 0x7fc0'0000);
}

// --- calls of functions that are compiled elsewhere ---

TEST_F(Compile, FunctionsThatAreLeftOutRunInTheBaseline) {
  Instance instance = optimised(R"((module
      (func $baseline (param i32 f64 i64) (result i64 f64 i32)
        (i64.add (local.get 2) (i64.const 1)) (f64.add (local.get 1) (f64.const 0.5))
        (i32.add (local.get 0) (i32.const 2)))
      (func (export "run") (param i32 f64 i64) (result i64 f64 i32)
        (call $baseline (local.get 0) (local.get 1) (local.get 2)))))",
                                &all_but_the_first);
  const std::vector<Value> results =
      must(instance.call("run", std::vector{Value::i32(0xffff'ffff), Value::f64(2), Value::i64(41)}));
  ASSERT_EQ(results.size(), 3u);
  EXPECT_EQ(results[0].bits, 42u);
  EXPECT_EQ(results[1].as_f64(), 2.5);
  EXPECT_EQ(results[2].bits, 1u) << "zero-extended";
}

// --- the code ---

TEST_F(Compile, EachFunctionIsFoundByItsCode) {
  Instance instance = optimised(R"((module (memory 1)
      (func (export "first") (param i32) (result i32) (i32.load (local.get 0)))
      (func (export "second") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))))",
                                &compile_and_look);
  ASSERT_NE(last_compiled, nullptr);
  ASSERT_EQ(last_compiled->functions().size(), 2u);
  for (std::uint32_t i = 0; i < 2; ++i) {
    const wasm::OptimisedFunction& function = last_compiled->functions()[i];
    EXPECT_EQ(function.function, i);
    const auto body = reinterpret_cast<std::uintptr_t>(function.body);
    ASSERT_TRUE(last_compiled->holds(body));
    const std::optional<wasm::CodePlace> place = last_compiled->place_of(body);
    ASSERT_TRUE(place);
    EXPECT_EQ(place->function, i);
  }
  EXPECT_FALSE(last_compiled->holds(reinterpret_cast<std::uintptr_t>(last_compiled->code().data()) +
                                    last_compiled->code().size()));
  EXPECT_FALSE(last_compiled->holds(reinterpret_cast<std::uintptr_t>(last_compiled->code().data()) - 1));
  EXPECT_EQ(bits(instance.call("second", std::vector{Value::i32(7)})), 21u);
}

TEST_F(Compile, ATrapInAFunctionThatWasInlinedNamesThatFunction) {
  Instance instance = optimised(R"((module (memory 1)
      (func $inner (param i32) (result i32) (i32.load (local.get 0)))
      (func (export "outer") (param i32) (result i32) (i32.mul (call $inner (local.get 0)) (i32.const 3)))))");
  const std::string message = failure(instance.call("outer", std::vector{Value::i32(65536)}));
  EXPECT_TRUE(message.starts_with("Trap: m.wat: out of bounds memory access in function inner at byte 0x")) << message;
}

// --- flags ---

TEST_F(Compile, FlagsAreSeenInEveryForm) {
  Instance instance = optimised(R"((module
      (import "flags" "on" (func $on (result i32))) (import "flags" "n" (func $n (result i32)))
      (import "flags" "long" (func $long (result i64))) (import "flags" "mode=fast" (func $fast (result i32)))
      (func (export "branch") (result i32) (if (result i32) (call $on) (then (i32.const 10)) (else (i32.const 20))))
      (func (export "n") (result i32) (i32.mul (call $n) (i32.const 3)))
      (func (export "long") (result i64) (call $long))
      (func (export "fast") (result i32) (call $fast))
      (func (export "loop") (param i32) (result i32) (local i32)
        (loop $again
          (if (call $on) (then (local.set 1 (i32.add (local.get 1) (i32.const 2)))))
          (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (local.get 1))))");
  const auto loop = [&] { return bits(instance.call("loop", std::vector{Value::i32(5000)})); };
  for (int round = 0; round < 3; ++round) {
    must(flags->set("on", round % 2 != 0));
    EXPECT_EQ(bits(instance.call("branch")), round % 2 != 0 ? 10u : 20u);
    EXPECT_EQ(loop(), round % 2 != 0 ? 10000u : 0u);
    for (const std::int64_t number : {0, 1, 7, -1, 0}) {
      must(flags->set("n", number));
      must(flags->set("long", number << 33));
      EXPECT_EQ(bits(instance.call("n")), static_cast<std::uint32_t>(3 * number));
      EXPECT_EQ(bits(instance.call("long")), static_cast<std::uint64_t>(number) << 33);
    }
    for (const char* const mode : {"fast", "slow"}) {
      must(flags->load_json(R"({"flags": {"mode": {"state": "ENABLED", "variants": {"fast": "f", "slow": "s"},
          "defaultVariant": ")" +
                                std::string(mode) + "\"}}}",
                            "flags.json"));
      EXPECT_EQ(bits(instance.call("fast")), std::strcmp(mode, "fast") == 0 ? 1u : 0u);
    }
  }
}

TEST_F(Compile, FlagsThatChangeTooOftenAreReadAsData) {
  flags.reset();
  engine = must(Engine::create({.flip_limit = 4}));
  flags = std::make_unique<flags::FlagSet>(*engine);
  Instance instance = optimised(R"((module
      (import "flags" "on" (func $on (result i32))) (import "flags" "n" (func $n (result i32)))
      (import "flags" "ratio" (func $ratio (result f64)))
      (func (export "branch") (result i32) (if (result i32) (call $on) (then (i32.const 10)) (else (i32.const 20))))
      (func (export "n") (result i32) (i32.mul (call $n) (i32.const 3)))
      (func (export "ratio") (result f64) (f64.mul (call $ratio) (f64.const 4)))))");
  for (int round = 0; round < 20; ++round) {
    must(flags->set("on", round % 2 != 0));
    must(flags->set("n", std::int64_t{round}));
    must(flags->set("ratio", round * 0.25));
    EXPECT_EQ(bits(instance.call("branch")), round % 2 != 0 ? 10u : 20u);
    EXPECT_EQ(bits(instance.call("n")), static_cast<std::uint32_t>(3 * round));
    EXPECT_EQ(must(instance.call("ratio")).at(0).as_f64(), round);
  }
  EXPECT_EQ(flags->demoted(), (std::vector<std::string>{"n", "on", "ratio"}));
}

}  // namespace
}  // namespace shunt::test
