// Globals that the optimising tier takes for constants.
#include "tests/runtime/wasm/speculation/speculating.h"

namespace shunt::test {
namespace {

using runtime::Tier;

using KnownGlobals = SpeculationTest;

TEST_F(KnownGlobals, ThatNobodyCanWriteAreConstants) {
  const std::string text = R"((module
      (global $debug (mut i32) (i32.const 0)) (global $factor (mut i64) (i64.const -5))
      (global $half f64 (f64.const 0.5)) (global $one (mut f64) (f64.const 1)) (global $third f32 (f32.const 0.25))
      (memory 1)
      (func (export "run") (param i64) (result i64)
        (if (global.get $debug) (then
          (i64.store (i32.const 0) (i64.div_s (local.get 0) (i64.load (i32.const 8))))
          (i64.store (i32.const 16) (i64.rem_s (local.get 0) (i64.load (i32.const 24))))
          (i64.store (i32.const 32) (i64.div_u (local.get 0) (i64.load (i32.const 40))))))
        (i64.mul (local.get 0) (global.get $factor)))
      (func (export "half") (param f64) (result f64) (f64.mul (local.get 0) (global.get $half)))
      (func (export "once") (param f64) (result f64) (f64.mul (local.get 0) (global.get $one)))
      (func (export "third") (param f32) (result f32) (f32.add (local.get 0) (global.get $third)))))";
  (void)load_optimised(text, "m.wat", &compile_assuming_nothing);
  const std::size_t without = last_code_bytes;
  Instance instance = must(linker.instantiate(load_optimised(text)));
  EXPECT_LT(last_code_bytes, without) << "the branch is still there";
  EXPECT_EQ(must(instance.call("run", std::vector{Value::i64(7)})).at(0).bits, static_cast<std::uint64_t>(-35));
  EXPECT_EQ(must(instance.call("half", std::vector{Value::f64(3)})).at(0).as_f64(), 1.5);
  EXPECT_EQ(must(instance.call("third", std::vector{Value::f32(1)})).at(0).bits, Value::f32(1.25F).bits);
  Value signalling = Value::f64(0);
  signalling.bits = 0x7ff4'0000'0000'0000;
  EXPECT_EQ(bits(instance.call("once", std::vector{signalling})) & 0x7ff8'0000'0000'0000, 0x7ff8'0000'0000'0000u)
      << "made quiet, like by any other one";
}

TEST_F(KnownGlobals, ThatAreExportedChangeWhenSomebodyWrites) {
  const Module module = load_optimised(R"((module (global $level (export "level") (mut i32) (i32.const 0))
      (global $fixed (export "fixed") i32 (i32.const 5))
      (func (export "run") (result i32)
        (if (result i32) (global.get $level) (then (global.get $level)) (else (global.get $fixed))))))");
  Instance instance = must(linker.instantiate(module));
  Instance other = must(linker.instantiate(module));
  EXPECT_EQ(outcome(instance.call("run")), "5");
  ASSERT_TRUE(instance.set_global("level", Value::i32(7)));
  EXPECT_EQ(outcome(instance.call("run")), "7");
  EXPECT_EQ(outcome(other.call("run")), "5");
  linker.define_instance("m", instance);
  Instance writes = must(linker.instantiate(load_in(Tier::Baseline, R"((module
      (import "m" "level" (global $level (mut i32)))
      (func (export "write") (param i32) (result i32) (global.set $level (local.get 0)) (i32.const 0))))",
                                                    "other.wat")));
  EXPECT_EQ(outcome(writes.call("write", std::vector{number(9)})), "0");
  EXPECT_EQ(outcome(instance.call("run")), "9");
}

TEST_F(KnownGlobals, ThatAreImportedAreEachInstancesOwn) {
  const Module module = load_optimised(R"((module (import "env" "g" (global $g i32)) (global $copy i32 (global.get $g))
      (func (export "run") (result i32) (i32.add (global.get $g) (i32.mul (global.get $copy) (i32.const 100))))))");
  for (const std::uint32_t value : {3U, 4U}) {
    Linker own(store);
    ASSERT_TRUE(own.define_global("env", "g", {ValueType::I32, false}, number(value)));
    Instance instance = must(own.instantiate(module));
    EXPECT_EQ(outcome(instance.call("run")), std::to_string(101 * value));
  }
}

}  // namespace
}  // namespace shunt::test
