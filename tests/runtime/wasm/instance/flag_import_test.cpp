// Feature flags as a guest imports them.
#include "tests/runtime/wasm/instance/guest_fixture.h"

namespace shunt::test {
namespace {

using FlagImports = GuestTest;

TEST_F(FlagImports, NeedNoDefinitionAndReadZeroUntilTheyHaveOne) {
  Instance instance = instantiate(R"((module
      (import "flags" "on" (func $on (result i32))) (import "flags" "long" (func $long (result i64)))
      (import "flags" "ratio" (func $ratio (result f64)))
      (func (export "on") (result i32) (call $on)) (func (export "long") (result i64) (call $long))
      (func (export "ratio") (result f64) (call $ratio))
      (func (export "branch") (result i32) (if (result i32) (call $on) (then (i32.const 10)) (else (i32.const 20))))))");
  EXPECT_EQ(bits(instance.call("on")), 0u);
  EXPECT_EQ(bits(instance.call("long")), 0u);
  EXPECT_EQ(bits(instance.call("ratio")), 0u);
  EXPECT_EQ(bits(instance.call("branch")), 20u);
  must(flags->set("on", true));
  must(flags->set("long", std::int64_t{1} << 40));
  must(flags->set("ratio", 0.25));
  EXPECT_EQ(bits(instance.call("on")), 1u);
  EXPECT_EQ(bits(instance.call("long")), std::uint64_t{1} << 40);
  EXPECT_EQ(must(instance.call("ratio")).at(0).as_f64(), 0.25);
  EXPECT_EQ(bits(instance.call("branch")), 10u);
  must(flags->set("on", false));
  EXPECT_EQ(bits(instance.call("on")), 0u);
  EXPECT_EQ(bits(instance.call("branch")), 20u);
}

// Where the import is no direct call there is no site: it is read as a function of the host.
TEST_F(FlagImports, CanBeReferredTo) {
  Instance instance = instantiate(R"((module
      (import "flags" "n" (func $n (result i32))) (import "flags" "mode=fast" (func $fast (result i32)))
      (import "flags" "name" (func $name (param i32 i32) (result i32)))
      (export "n" (func $n)) (export "fast" (func $fast)) (export "name" (func $name)) (memory 1)
      (table 1 funcref) (elem (i32.const 0) func $n) (type $t (func (result i32)))
      (func (export "indirect") (result i32) (call_indirect (type $t) (i32.const 0)))))");
  EXPECT_EQ(bits(instance.call("n")), 0u);
  must(flags->load_json(R"({"flags": {
      "n": {"state": "ENABLED", "variants": {"seven": 7}, "defaultVariant": "seven"},
      "mode": {"state": "ENABLED", "variants": {"fast": "f", "slow": "s"}, "defaultVariant": "fast"},
      "name": {"state": "ENABLED", "variants": {"a": "shunt"}, "defaultVariant": "a"}}})",
                        "flags.json"));
  EXPECT_EQ(bits(instance.call("n")), 7u);
  EXPECT_EQ(bits(instance.call("indirect")), 7u);
  EXPECT_EQ(bits(instance.call("fast")), 1u);
  EXPECT_EQ(bits(instance.call("name", std::vector{Value::i32(100), Value::i32(3)})), 5u);
  const std::span<std::uint8_t> text = *instance.memory().view(100, 5);
  EXPECT_EQ(std::string(text.begin(), text.end()), std::string("shu\0\0", 5));
  const std::string outside = failure(instance.call("name", std::vector{Value::i32(65534), Value::i32(5)}));
  EXPECT_TRUE(outside.starts_with("Trap: m.wat: out of bounds memory access")) << outside;
  EXPECT_EQ(bits(instance.call("name", std::vector{Value::i32(65534), Value::i32(0)})), 5u);
}

TEST_F(FlagImports, CopyStringsByADirectCall) {
  Instance instance = instantiate(R"((module
      (import "flags" "name" (func $name (param i32 i32) (result i32))) (memory 1)
      (func (export "read") (param i32 i32) (result i32) (call $name (local.get 0) (local.get 1)))))");
  EXPECT_EQ(bits(instance.call("read", std::vector{Value::i32(0), Value::i32(10)})), 0u);
  must(flags->set("name", std::string("live")));
  EXPECT_EQ(bits(instance.call("read", std::vector{Value::i32(65532), Value::i32(10)})), 4u);
  EXPECT_EQ(instance.memory().bytes()[65535], 'e');
  const std::string outside = failure(instance.call("read", std::vector{Value::i32(65533), Value::i32(10)}));
  EXPECT_TRUE(outside.starts_with("Trap: m.wat: out of bounds memory access in function read at byte 0x")) << outside;
}

TEST_F(FlagImports, AgreeInAllInstances) {
  const Module module = must(
      load(R"((module (import "flags" "on" (func $on (result i32))) (func (export "on") (result i32) (call $on))))"));
  Store second = must(Store::create());
  Linker of_second(second);
  Instance a = must(linker.instantiate(module));
  Instance b = must(of_second.instantiate(module));
  must(flags->set("on", true));
  EXPECT_EQ(bits(a.call("on")), 1u);
  EXPECT_EQ(bits(b.call("on")), 1u);
}

TEST_F(FlagImports, RefuseOtherTypes) {
  const auto message = [this](std::string_view text) {
    const Result<Module> module = load(text);
    return module ? "loaded" : std::string(name_of(module.error().code())) + ": " + module.error().message();
  };
  EXPECT_EQ(message(R"((module (import "flags" "on" (func (param i32) (result i32)))))"),
            "BadModule: m.wat: import \"flags\" \"on\": a flag cannot be read as (i32) -> i32; declare it as () -> "
            "i32, () -> i64, "
            "() -> f64, or (i32, i32) -> i32 for a string");
  EXPECT_EQ(
      message(R"((module (import "flags" "a=b" (func (result i64)))))"),
      "BadModule: m.wat: import \"flags\" \"a=b\": whether a variant is in force is read as () -> i32, not () -> i64");
  EXPECT_EQ(message(R"((module (import "flags" "on" (memory 1))))"),
            "BadModule: m.wat: import \"flags\" \"on\": a memory; flags are imported as functions");
  must(flags->set("text", std::string("x")));
  EXPECT_TRUE(message(R"((module (import "flags" "text" (func (result f64)))))").starts_with("BadFlags: "));
}

}  // namespace
}  // namespace shunt::test
