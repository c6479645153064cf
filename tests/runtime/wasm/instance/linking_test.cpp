// Imports: what is matched with what, and what is said when it is not.
#include "tests/runtime/wasm/instance/guest_fixture.h"

namespace shunt::test {
namespace {

using Linking = GuestTest;

Status nothing(Caller, std::span<const Value>, std::span<Value>) {
  return Ok{};
}

TEST_F(Linking, NamesAnUnknownImportAndItsType) {
  EXPECT_EQ(refusal(R"((module (import "env" "f" (func (param i32) (result i64)))))", ErrorCode::Unlinkable),
            "m.wat: import \"env\" \"f\": unknown import: define a function (i32) -> i64 of this name");
}

TEST_F(Linking, NamesBothTypesOfAnIncompatibleFunction) {
  linker.define_function("env", "f", {{ValueType::I32}, {}}, nothing);
  EXPECT_EQ(
      refusal(R"((module (import "env" "f" (func (param i32) (result i64)))))", ErrorCode::Unlinkable),
      "m.wat: import \"env\" \"f\": incompatible import type: the module wants a function (i32) -> i64, defined is a "
      "function (i32) -> ()");
}

TEST_F(Linking, NamesBothKinds) {
  linker.define_function("env", "f", {{}, {}}, nothing);
  EXPECT_EQ(
      refusal(R"((module (import "env" "f" (memory 1))))", ErrorCode::Unlinkable),
      "m.wat: import \"env\" \"f\": incompatible import type: the module wants a memory of 1.. pages, defined is a "
      "function () -> ()");
}

TEST_F(Linking, MatchesLimitsBySubtyping) {
  must(linker.define_memory("env", "m", {{2, 4, true}}));
  instantiate(R"((module (import "env" "m" (memory 1))))");
  instantiate(R"((module (import "env" "m" (memory 2 4))))");
  instantiate(R"((module (import "env" "m" (memory 0 5))))");
  refusal(R"((module (import "env" "m" (memory 3))))", ErrorCode::Unlinkable);
  refusal(R"((module (import "env" "m" (memory 2 3))))", ErrorCode::Unlinkable);
  must(linker.define_table("env", "t", {ValueType::FuncRef, {2, 0, false}}));
  instantiate(R"((module (import "env" "t" (table 1 funcref))))");
  refusal(R"((module (import "env" "t" (table 1 5 funcref))))", ErrorCode::Unlinkable);
  refusal(R"((module (import "env" "t" (table 1 externref))))", ErrorCode::Unlinkable);
}

TEST_F(Linking, MatchesAMemoryByItsPresentSize) {
  const Instance owner =
      instantiate(R"((module (memory (export "m") 1 4) (func (export "grow") (drop (memory.grow (i32.const 2))))))");
  must(Instance(owner).call("grow"));
  linker.define_instance("owner", owner);
  instantiate(R"((module (import "owner" "m" (memory 3))))");
  refusal(R"((module (import "owner" "m" (memory 4))))", ErrorCode::Unlinkable);
}

TEST_F(Linking, MatchesGlobalsExactly) {
  must(linker.define_global("env", "g", {ValueType::I32, true}, Value::i32(7)));
  instantiate(R"((module (import "env" "g" (global (mut i32)))))");
  refusal(R"((module (import "env" "g" (global i32))))", ErrorCode::Unlinkable);
  refusal(R"((module (import "env" "g" (global (mut i64)))))", ErrorCode::Unlinkable);
}

TEST_F(Linking, TakesTheLaterDefinition) {
  must(linker.define_global("env", "g", {ValueType::I32, false}, Value::i32(1)));
  must(linker.define_global("env", "g", {ValueType::I32, false}, Value::i32(2)));
  const Instance instance = instantiate(R"((module (import "env" "g" (global $g i32)) (export "g" (global $g))))");
  EXPECT_EQ(must(instance.global("g")).as_i32(), 2);
}

TEST_F(Linking, RefusesHostItemsThatCannotBe) {
  EXPECT_EQ(linker.define_table("env", "t", {ValueType::I32, {}}).error().code(), ErrorCode::InvalidArgument);
  EXPECT_EQ(linker.define_global("env", "g", {ValueType::I32, false}, Value::i64(1)).error().message(),
            "global \"g\" of type i32 cannot hold i64");
}

TEST_F(Linking, SharesMemoriesTablesGlobalsAndFunctions) {
  const Instance owner = instantiate(R"((module
      (memory (export "m") 1) (table (export "t") 4 funcref) (global (export "g") (mut i32) (i32.const 5))
      (func $private (result i32) (i32.load (i32.const 0)))
      (func (export "read") (result i32) (call $private))))",
                                     "owner.wat");
  linker.define_instance("owner", owner);
  Instance user = instantiate(R"((module
      (import "owner" "m" (memory 1)) (import "owner" "t" (table 4 funcref)) (import "owner" "g" (global $g (mut i32)))
      (import "owner" "read" (func $read (result i32)))
      (elem (i32.const 2) func $own)
      (func $own (result i32) (i32.add (call $read) (global.get $g)))
      (func (export "write") (param i32) (i32.store (i32.const 0) (local.get 0)) (global.set $g (i32.const 100)))))",
                              "user.wat");
  must(user.call("write", std::vector{Value::i32(11)}));
  EXPECT_EQ(must(owner.global("g")).as_i32(), 100);
  linker.define_instance("user", user);
  Instance third = instantiate(R"((module
      (import "owner" "t" (table 4 funcref)) (type $f (func (result i32)))
      (func (export "run") (result i32) (call_indirect (type $f) (i32.const 2)))))",
                               "third.wat");
  EXPECT_EQ(bits(third.call("run")), 111u);
}

// WebAssembly 2.0, 4.5.4: segments are applied one by one; what was written before the one that does not fit stays.
TEST_F(Linking, KeepsAliveWhatAFailedInstantiationLeftBehind) {
  const Instance owner = instantiate(R"((module (table (export "t") 4 funcref) (memory (export "m") 1)))", "owner.wat");
  linker.define_instance("owner", owner);
  EXPECT_EQ(refusal(R"((module
      (import "owner" "t" (table 4 funcref)) (import "owner" "m" (memory 1))
      (elem (i32.const 1) func $f) (data (i32.const 0) "x") (data (i32.const 65536) "y")
      (global $g i32 (i32.const 42)) (func $f (result i32) (global.get $g))))",
                    ErrorCode::Uninstantiable),
            "m.wat: out of bounds memory access: data segment 1 does not fit");
  EXPECT_EQ(owner.memory().bytes()[0], 'x');
  Instance user = instantiate(R"((module (import "owner" "t" (table 4 funcref)) (type $f (func (result i32)))
      (func (export "run") (result i32) (call_indirect (type $f) (i32.const 1)))))");
  EXPECT_EQ(bits(user.call("run")), 42u);
}

// WebAssembly 2.0, 4.5.4: an active segment is dropped once it was applied, a declared one at once.
TEST_F(Linking, DropsTheSegmentsThatItApplied) {
  Instance instance = instantiate(R"((module (memory 1) (table 1 funcref) (func $f)
      (data (i32.const 0) "a") (elem (i32.const 0) func $f) (elem declare func $f)
      (func (export "data") (memory.init 0 (i32.const 0) (i32.const 0) (i32.const 1)))
      (func (export "element") (table.init 0 (i32.const 0) (i32.const 0) (i32.const 1)))
      (func (export "declared") (table.init 1 (i32.const 0) (i32.const 0) (i32.const 1)))
      (func (export "nothing") (memory.init 0 (i32.const 0) (i32.const 0) (i32.const 0)))))");
  EXPECT_TRUE(failure(instance.call("data")).starts_with("Trap: m.wat: out of bounds memory access"));
  EXPECT_TRUE(failure(instance.call("element")).starts_with("Trap: m.wat: out of bounds table access"));
  EXPECT_TRUE(failure(instance.call("declared")).starts_with("Trap: m.wat: out of bounds table access"));
  EXPECT_EQ(failure(instance.call("nothing")), "returned");
}

TEST_F(Linking, NamesTheElementSegmentThatDoesNotFit) {
  EXPECT_EQ(refusal("(module (table 1 funcref) (func $f) (elem (i32.const 1) func $f))", ErrorCode::Uninstantiable),
            "m.wat: out of bounds table access: element segment 0 does not fit");
}

TEST_F(Linking, RunsTheStartFunctionAndReportsItsTrap) {
  Instance started = instantiate(
      "(module (global $g (export \"g\") (mut i32) (i32.const 0)) (start 0) (func (global.set $g (i32.const 9))))");
  EXPECT_EQ(must(started.global("g")).as_i32(), 9);
  const std::string message = refusal("(module (func $init unreachable) (start $init))", ErrorCode::Trap);
  EXPECT_TRUE(message.starts_with("m.wat: unreachable in function init at byte 0x")) << message;
}

TEST_F(Linking, KeepsTheStoresLimitOfMemory) {
  Store small = must(Store::create({.max_memory_bytes = 65536}));
  Linker of_small(small);
  const Result<Instance> refused = of_small.instantiate(must(load("(module (memory 2))")));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(),
            "m.wat: a memory of 2 pages: this store allows 1 (StoreOptions::max_memory_bytes)");
  Instance one = must(of_small.instantiate(
      must(load(R"((module (memory 1) (func (export "grow") (result i32) (memory.grow (i32.const 1)))))"))));
  EXPECT_EQ(bits(one.call("grow")), 0xffffffffu);
}

}  // namespace
}  // namespace shunt::test
