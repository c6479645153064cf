// Calls between the tiers, and the switch, with optimised functions written in C++.
#include <algorithm>
#include <array>

#include "runtime/wasm/tiers/module_bodies.h"
#include "tests/runtime/wasm/tiers/written_by_hand.h"

namespace shunt::test {
namespace {

// --- what optimised code does ---

// Calls function `index` of the context's index space as optimised code does where it knows no optimised version.
void call_guest(VmContext* context, std::uint32_t index, std::uint64_t* slots) {
  const wasm::FuncRef& callee = context->functions[index];
  const wasm::ModuleState& module = *context->instance->module;
  const std::uint32_t type = module.data->functions[index].type;
  module.code->code.entry<std::remove_pointer_t<wasm::CallGuestThunk>>(module.code->guest_calls[type])(
      callee.context, callee.code, slots);
}

std::uint64_t call_builtin(VmContext* context, wasm::Builtin builtin, std::uint64_t a, std::uint64_t b = 0,
                           std::uint64_t c = 0, std::uint64_t d = 0) {
  const wasm::BaselineCode& code = *context->instance->module->code;
  return code.code.entry<std::remove_pointer_t<wasm::CallBuiltinThunk>>(code.builtin_call)(
      context, a, b, c, d, static_cast<std::uint32_t>(builtin));
}

void count_worn(VmContext*, std::uint64_t* slots) {
  slots[0] = wear_registers(slots[0]) ? static_cast<std::uint32_t>(slots[0] + 1) : 0;
}

// --- baseline to optimised ---

struct Signature {
  std::string params, results, gets;  // results in the reverse order
};

Signature many(int count) {
  static constexpr std::array types = {" i32", " f64", " i64", " f32"};
  Signature signature;
  for (int i = 0; i < count; ++i) {
    signature.params += types[static_cast<std::size_t>(i) % types.size()];
    signature.results += types[static_cast<std::size_t>(count - 1 - i) % types.size()];
    signature.gets += " (local.get " + std::to_string(count - 1 - i) + ")";
  }
  return signature;
}

std::vector<Value> arguments_for(unsigned count) {
  std::vector<Value> arguments;
  for (unsigned i = 0; i < count; ++i) {
    switch (i % 4) {
      case 0:
        arguments.push_back(Value::i32(0xf000'0000 + i));
        break;
      case 1:
        arguments.push_back(Value::f64(i + 0.25));
        break;
      case 2:
        arguments.push_back(Value::i64(0x8000'0000'0000'0000 + i));
        break;
      default:
        arguments.push_back(Value::f32(static_cast<float>(i) + 0.5F));
    }
  }
  return arguments;
}

constexpr unsigned many_values = 44;  // in registers of both classes, and on the stack

void reverse(VmContext*, std::uint64_t* slots) {
  std::reverse(slots, slots + many_values);
}

void expect_reversed(const std::vector<Value>& results, const std::vector<Value>& arguments) {
  ASSERT_EQ(results.size(), arguments.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    EXPECT_EQ(results[i].type, arguments[arguments.size() - 1 - i].type) << i;
    EXPECT_EQ(results[i].bits, arguments[arguments.size() - 1 - i].bits) << i;
  }
}

// A baseline function that passes its arguments on to `$callee`.
std::string passing_on(const Signature& signature) {
  std::string gets;
  for (unsigned i = 0; i < many_values; ++i) gets += " (local.get " + std::to_string(i) + ")";
  return "(func (export \"pass\") (param" + signature.params + ") (result" + signature.results + ") (call $reverse" +
         gets + "))";
}

TEST_F(TiersTest, OptimisedFunctionsTakeManyValuesAndReturnMany) {
  written["reverse"] = &reverse;
  const Signature signature = many(many_values);
  Instance instance =
      instantiate_tiered("(module (func $reverse (export \"reverse\") (param" + signature.params + ") (result" +
                         signature.results + ") unreachable)" + passing_on(signature) + ")");
  const std::vector<Value> arguments = arguments_for(many_values);
  expect_reversed(must(instance.call("reverse", arguments)), arguments);
  expect_reversed(must(instance.call("pass", arguments)), arguments);
}

TEST_F(TiersTest, ValuesOfOneTypeComeBackInTheirRegisters) {
  written["f"] = [](VmContext*, std::uint64_t* slots) { slots[0] = slots[0] ^ 1; };
  for (const char* const type : {"i32", "i64", "f32", "f64"}) {
    Instance instance = instantiate_tiered(std::string("(module (func $f (export \"f\") (param ") + type +
                                           ") (result " + type + ") unreachable) (func (export \"g\") (param " + type +
                                           ") (result " + type + ") (call $f (local.get 0))))");
    const std::vector<Value> argument = {std::string(type) == "i32"   ? Value::i32(0x8000'0000)
                                         : std::string(type) == "i64" ? Value::i64(0x8000'0000'0000'0000)
                                         : std::string(type) == "f32" ? Value::f32(1.5F)
                                                                      : Value::f64(2.5)};
    EXPECT_EQ(bits(instance.call("f", argument)), argument[0].bits ^ 1) << type;
    EXPECT_EQ(bits(instance.call("g", argument)), argument[0].bits ^ 1) << type;
  }
}

// Locals that live over the call are in registers that the guest's convention keeps.
const char* const keeping = R"((module
    (func $worn (param i32) (result i32) unreachable)
    (func (export "run") (param i32) (result f64)
      (local $a i64) (local $b i64) (local $c i64) (local $d i64) (local $e i64) (local $f i64)
      (local $p f64) (local $q f64) (local $r f64) (local $s f64) (local $t f64) (local $u f64) (local $v f64)
      (local $w f64) (local $n i32)
      (local.set $a (i64.const 1)) (local.set $b (i64.const 2)) (local.set $c (i64.const 4))
      (local.set $d (i64.const 8)) (local.set $e (i64.const 16)) (local.set $f (i64.const 32))
      (local.set $p (f64.const 0.5)) (local.set $q (f64.const 64)) (local.set $r (f64.const 128))
      (local.set $s (f64.const 256)) (local.set $t (f64.const 512)) (local.set $u (f64.const 1024))
      (local.set $v (f64.const 2048)) (local.set $w (f64.const 4096))
      (loop $again
        (local.set $n (call $worn (local.get $n)))
        (local.set $a (i64.rotl (local.get $a) (i64.const 64)))
        (br_if $again (i32.lt_u (local.get $n) (local.get 0))))
      (f64.add (f64.convert_i64_u (i64.add (i64.add (i64.add (local.get $a) (local.get $b))
                 (i64.add (local.get $c) (local.get $d))) (i64.add (local.get $e) (local.get $f))))
        (f64.add (f64.add (f64.add (local.get $p) (local.get $q)) (f64.add (local.get $r) (local.get $s)))
                 (f64.add (f64.add (local.get $t) (local.get $u)) (f64.add (local.get $v) (local.get $w)))))))
)";

TEST_F(TiersTest, WhatTheGuestsConventionKeepsIsKept) {
  written["worn"] = &count_worn;
  Instance instance = instantiate_tiered(keeping);
  EXPECT_EQ(must(instance.call("run", std::vector{Value::i32(100)})).at(0).bits, Value::f64(63 + 8128.5).bits);
}

// --- optimised to baseline ---

TEST_F(TiersTest, OptimisedCodeCallsTheBaseline) {
  written["pass"] = [](VmContext* context, std::uint64_t* slots) { call_guest(context, 0, slots); };
  const Signature signature = many(many_values);
  Instance instance = instantiate_tiered("(module (func $reverse (param" + signature.params + ") (result" +
                                         signature.results + ")" + signature.gets + ")" + passing_on(signature) + ")");
  const std::vector<Value> arguments = arguments_for(many_values);
  expect_reversed(must(instance.call("pass", arguments)), arguments);
}

TEST_F(TiersTest, OptimisedCodeCallsImportsAndTheHostCallsBack) {
  written["down"] = [](VmContext* context, std::uint64_t* slots) {
    // down(n) = n == 0 ? 0 : host(n - 1) + 1; the host calls `down` again.
    if (slots[0] == 0) return;
    std::uint64_t inner[1] = {slots[0] - 1};
    call_guest(context, 0, inner);
    slots[0] = inner[0] + 1;
  };
  linker.define_function("env", "host", {{ValueType::I32}, {ValueType::I32}},
                         [](Caller caller, std::span<const Value> arguments, std::span<Value> results) -> Status {
                           Result<std::vector<Value>> inner = caller.instance().call("up", arguments);
                           if (!inner) return inner.error();
                           results[0] = inner->at(0);
                           return Ok{};
                         });
  Instance instance = instantiate_tiered(R"((module (import "env" "host" (func $host (param i32) (result i32)))
      (func $down (param i32) (result i32) unreachable)
      (func (export "up") (param i32) (result i32) (call $down (local.get 0)))))");
  EXPECT_EQ(bits(instance.call("up", std::vector{Value::i32(50)})), 50u);
}

TEST_F(TiersTest, ModulesOfAnyTierCallEachOther) {
  written["double"] = [](VmContext*, std::uint64_t* slots) { slots[0] = static_cast<std::uint32_t>(2 * slots[0]); };
  written["sum"] = [](VmContext* context, std::uint64_t* slots) {
    std::uint64_t doubled[1] = {slots[0]};
    call_guest(context, 0, doubled);
    slots[0] = doubled[0] + 1;
  };
  Instance first = instantiate_tiered(
      "(module (memory 1) (func $double (export \"double\") (param i32) (result i32) unreachable))", "first.wat");
  linker.define_instance("first", first);
  const std::string second = R"((module (import "first" "double" (func $d (param i32) (result i32)))
      (func $NAME (export "run") (param i32) (result i32) (i32.add (call $d (local.get 0)) (i32.const 1)))))";
  std::string baseline = second;
  baseline.replace(baseline.find("NAME"), 4, "plain");
  std::string optimised = second;
  optimised.replace(optimised.find("NAME"), 4, "sum");
  EXPECT_EQ(bits(instantiate_tiered(baseline).call("run", std::vector{Value::i32(20)})), 41u);
  EXPECT_EQ(bits(instantiate_tiered(optimised).call("run", std::vector{Value::i32(20)})), 41u);
}

// --- optimised to the runtime ---

TEST_F(TiersTest, OptimisedCodeCallsTheRuntime) {
  written["grow"] = [](VmContext* context, std::uint64_t* slots) {
    slots[0] = call_builtin(context, wasm::Builtin::MemoryGrow, slots[0]);
  };
  written["fill"] = [](VmContext* context, std::uint64_t* slots) {
    call_builtin(context, wasm::Builtin::MemoryFill, slots[0], 7, 3);
  };
  Instance instance = instantiate_tiered(R"((module (memory 1 4)
      (func $grow (export "grow") (param i32) (result i32) unreachable)
      (func $fill (export "fill") (param i32) unreachable)
      (func (export "twice") (param i32) (result i32) (drop (call $grow (local.get 0))) (call $grow (local.get 0)))
      (func (export "at") (param i32) (result i32) (i32.load8_u (local.get 0)))))");
  EXPECT_EQ(bits(instance.call("grow", std::vector{Value::i32(1)})), 1u);
  EXPECT_EQ(bits(instance.call("twice", std::vector{Value::i32(1)})), 3u);
  EXPECT_EQ(bits(instance.call("grow", std::vector{Value::i32(1)})), 0xffff'ffffu);
  must(instance.call("fill", std::vector{Value::i32(10)}));
  EXPECT_EQ(bits(instance.call("at", std::vector{Value::i32(12)})), 7u);
  EXPECT_EQ(failure(instance.call("fill", std::vector{Value::i32(0x3ffff)})),
            "Trap: m.wat: out of bounds memory access");
  EXPECT_EQ(bits(instance.call("at", std::vector{Value::i32(12)})), 7u) << "the instance goes on";
}

// --- traps ---

TEST_F(TiersTest, TrapsLeaveAllLayers) {
  written["middle"] = [](VmContext* context, std::uint64_t* slots) { call_guest(context, 0, slots); };
  Instance instance = instantiate_tiered(R"((module (memory 1)
      (func $inner (param i32) (result i32)
        (if (i32.eq (local.get 0) (i32.const 1)) (then (unreachable)))
        (if (i32.eq (local.get 0) (i32.const 2)) (then (return (i32.load (i32.const 65536)))))
        (if (i32.eq (local.get 0) (i32.const 3)) (then (return (i32.div_u (i32.const 1) (i32.const 0)))))
        (if (i32.eq (local.get 0) (i32.const 4)) (then (return (call $outer (local.get 0)))))
        (local.get 0))
      (func $middle (param i32) (result i32) unreachable)
      (func $outer (export "run") (param i32) (result i32) (call $middle (local.get 0)))))");
  const auto run = [&](std::uint32_t which) { return instance.call("run", std::vector{Value::i32(which)}); };
  const auto expect = [&](std::uint32_t which, const std::string& what) {
    const std::string message = failure(run(which));
    EXPECT_TRUE(message.starts_with("Trap: m.wat: " + what)) << message;
    EXPECT_EQ(bits(run(9)), 9u) << "the instance goes on";
  };
  expect(1, "unreachable in function inner at byte 0x");
  expect(2, "out of bounds memory access in function inner at byte 0x");
  expect(3, "integer divide by zero in function inner at byte 0x");
  expect(4, "call stack exhausted");
}

TEST_F(TiersTest, AHostsErrorLeavesAllLayers) {
  written["middle"] = [](VmContext* context, std::uint64_t* slots) { call_guest(context, 0, slots); };
  linker.define_function("env", "fails", {{}, {}}, [](Caller, std::span<const Value>, std::span<Value>) -> Status {
    return make_error(ErrorCode::Trap, "no");
  });
  Instance instance = instantiate_tiered(R"((module (import "env" "fails" (func $fails))
      (func $middle unreachable) (func (export "run") (call $middle))))");
  EXPECT_EQ(failure(instance.call("run")), "Trap: no");
}

// --- the switch ---

TEST_F(TiersTest, FunctionsGoBackAndForth) {
  written["f"] = [](VmContext*, std::uint64_t* slots) { slots[0] = 2; };
  const std::vector<std::uint8_t> bytes = must(runtime::assemble(R"((module
      (func $f (export "f") (result i32) (i32.const 1)) (func (export "g") (result i32) (call $f))))",
                                                                 "m.wat"));
  const Module loaded = must(wasm::ModuleLoader(*engine, *flags, &take_written)
                                 .load(bytes, {.name = "m.wat", .tier = runtime::Tier::Optimising}));
  Instance instance = must(linker.instantiate(loaded));
  wasm::Tiers& tiers = *loaded.state()->tiers;
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(bits(instance.call("f")), 2u);
    EXPECT_EQ(bits(instance.call("g")), 2u);
    const std::vector<std::uint32_t> f = {0};
    ASSERT_TRUE(tiers.revert(f));
    EXPECT_EQ(bits(instance.call("f")), 1u);
    EXPECT_EQ(bits(instance.call("g")), 1u);
    EXPECT_EQ(must(tiers.collect({})), 0u);
    const wasm::ModuleBodies bodies = must(wasm::ModuleBodies::read(bytes, *loaded.state()->data, &f));
    ASSERT_TRUE(tiers.compile(bodies.all()));
  }
}

TEST_F(TiersTest, WhileTheyAreHeldAllRunInTheBaseline) {
  written["f"] = [](VmContext*, std::uint64_t* slots) { slots[0] = 2; };
  written["late"] = written["f"];
  const std::vector<std::uint8_t> bytes = must(runtime::assemble(R"((module
      (func $f (export "f") (result i32) (i32.const 1)) (func $late (export "late") (result i32) (i32.const 1))))",
                                                                 "m.wat"));
  const Module loaded = must(wasm::ModuleLoader(*engine, *flags, &take_written)
                                 .load(bytes, {.name = "m.wat", .tier = runtime::Tier::Optimising}));
  Instance instance = must(linker.instantiate(loaded));
  const auto body_of = [](const Instance& of, std::size_t function) {
    return of.state()->functions[function].optimised;
  };
  const void* const body = body_of(instance, 0);
  ASSERT_NE(body, nullptr);
  wasm::Tiers& tiers = *loaded.state()->tiers;
  const std::vector<std::uint32_t> late = {1};
  ASSERT_TRUE(tiers.revert(late));
  ASSERT_TRUE(tiers.hold_in_baseline());
  ASSERT_TRUE(tiers.hold_in_baseline());
  EXPECT_EQ(bits(instance.call("f")), 1u);
  EXPECT_EQ(body_of(instance, 0), nullptr);
  Instance second = must(linker.instantiate(loaded));
  EXPECT_EQ(body_of(second, 0), nullptr);
  const wasm::ModuleBodies bodies = must(wasm::ModuleBodies::read(bytes, *loaded.state()->data, &late));
  ASSERT_TRUE(tiers.compile(bodies.all()));
  EXPECT_EQ(bits(instance.call("late")), 1u) << "what is compiled meanwhile waits";
  ASSERT_TRUE(tiers.let_optimise());
  EXPECT_EQ(bits(instance.call("f")), 1u) << "held twice";
  EXPECT_EQ(must(tiers.collect({})), 0u) << "and its version is kept";
  ASSERT_TRUE(tiers.let_optimise());
  for (Instance* const one : {&instance, &second}) {
    EXPECT_EQ(bits(one->call("f")), 2u);
    EXPECT_EQ(bits(one->call("late")), 2u);
    EXPECT_EQ(body_of(*one, 0), body);
    EXPECT_NE(body_of(*one, 1), nullptr);
  }
}

TEST_F(TiersTest, WithoutLlvmTheOptimisingTierIsRefusedByName) {
  const std::vector<std::uint8_t> bytes = must(runtime::assemble("(module)", "m.wat"));
  const Result<Module> loaded =
      wasm::ModuleLoader(*engine, *flags, nullptr).load(bytes, {.name = "m.wat", .tier = runtime::Tier::Optimising});
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code(), ErrorCode::Unsupported);
  EXPECT_EQ(loaded.error().message(),
            "m.wat: the optimising tier is not in this build, which found no LLVM 19 to 22; load with the baseline "
            "tier");
}

}  // namespace
}  // namespace shunt::test
