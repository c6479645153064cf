// Calls from the host, host functions, and calls through both.
#include <stdexcept>

#include "tests/runtime/wasm/instance/guest_fixture.h"

namespace shunt::test {
namespace {

using Call = GuestTest;

TEST_F(Call, PassesValuesOfEveryType) {
  int host_object = 0;
  Instance instance = instantiate(R"((module
      (func (export "all") (param i32 i64 f32 f64 externref funcref) (result funcref externref f64 f32 i64 i32)
        (local.get 5) (local.get 4) (local.get 3) (local.get 2) (local.get 1) (local.get 0))))");
  const std::vector<Value> arguments = {
      Value::i32(0xfffffffe), Value::i64(0x8000000000000001),  Value::f32(-0.0F),
      Value::f64(1.5),        Value::extern_ref(&host_object), Value::null_ref(ValueType::FuncRef)};
  const std::vector<Value> results = must(instance.call("all", arguments));
  ASSERT_EQ(results.size(), arguments.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    EXPECT_EQ(results[i].type, arguments[5 - i].type);
    EXPECT_EQ(results[i].bits, arguments[5 - i].bits);
  }
}

// What a host leaves above the 32 bits of an i32 or an f32 never reaches a guest, nor another host.
TEST_F(Call, IgnoresWhatIsAboveAValuesWidth) {
  constexpr std::uint64_t dirt = 0xdead'beef'0000'0000;
  linker.define_function("env", "dirty", {{ValueType::I32}, {ValueType::I32, ValueType::F32}},
                         [](Caller, std::span<const Value> arguments, std::span<Value> results) -> Status {
                           results[0].bits = dirt | arguments[0].bits;
                           results[1].bits = dirt | 0x3f80'0000;
                           return Ok{};
                         });
  must(linker.define_global("env", "g", {ValueType::I32, true}, {ValueType::I32, dirt | 3}));
  Instance instance = instantiate(R"((module
      (import "env" "dirty" (func $dirty (param i32) (result i32 f32))) (import "env" "g" (global $g (mut i32)))
      (export "dirty" (func $dirty)) (export "g" (global $g))
      (func (export "wide") (param i32) (result i64) (i64.extend_i32_u (local.get 0)))
      (func (export "global") (result i64) (i64.extend_i32_u (global.get $g)))
      (func (export "host") (param i32) (result i64) (local f32)
        (call $dirty (local.get 0)) (local.set 1) (i64.extend_i32_u))))");
  const std::vector five = {Value{ValueType::I32, dirt | 5}};
  EXPECT_EQ(bits(instance.call("wide", five)), 5u);
  EXPECT_EQ(bits(instance.call("host", five)), 5u);
  const std::vector<Value> direct = must(instance.call("dirty", five));
  EXPECT_EQ(direct.at(0).bits, 5u);
  EXPECT_EQ(direct.at(1).bits, 0x3f80'0000u);
  EXPECT_EQ(bits(instance.call("global")), 3u);
  must(instance.set_global("g", {ValueType::I32, dirt | 4}));
  EXPECT_EQ(must(instance.global("g")).bits, 4u);
  EXPECT_EQ(bits(instance.call("global")), 4u);
}

TEST_F(Call, PassesManyArgumentsAndResults) {
  std::string params, gets;
  for (int i = 0; i < 40; ++i) {
    params += i % 2 == 0 ? " i32" : " f64";
    gets += " (local.get " + std::to_string(i) + ")";
  }
  Instance instance =
      instantiate("(module (func (export \"f\") (param" + params + ") (result" + params + ")" + gets + "))");
  std::vector<Value> arguments;
  for (unsigned i = 0; i < 40; ++i) arguments.push_back(i % 2 == 0 ? Value::i32(i) : Value::f64(i));
  const std::vector<Value> results = must(instance.call("f", arguments));
  ASSERT_EQ(results.size(), 40u);
  for (std::size_t i = 0; i < 40; ++i) EXPECT_EQ(results[i].bits, arguments[i].bits) << i;
}

TEST_F(Call, ChecksNameAndArguments) {
  Instance instance =
      instantiate(R"((module (memory (export "m") 1) (func (export "f") (param i32) (result i32) (local.get 0))))");
  EXPECT_EQ(failure(instance.call("g")), "InvalidArgument: m.wat: no function is exported as \"g\"");
  EXPECT_EQ(failure(instance.call("m")), "InvalidArgument: m.wat: no function is exported as \"m\"");
  EXPECT_EQ(failure(instance.call("f")),
            "InvalidArgument: m.wat: function \"f\" has type (i32) -> i32, called as () -> i32");
  EXPECT_EQ(failure(instance.call("f", std::vector{Value::i64(1)})),
            "InvalidArgument: m.wat: function \"f\" has type (i32) -> i32, called as (i64) -> i32");
  EXPECT_EQ(instance.function_type("f"), (runtime::FunctionType{{ValueType::I32}, {ValueType::I32}}));
  EXPECT_EQ(instance.function_type("m"), std::nullopt);
}

TEST_F(Call, ReadsAndWritesGlobals) {
  Instance instance = instantiate(R"((module
      (global (export "constant") f32 (f32.const 2.5)) (global $v (export "variable") (mut i32) (i32.const -1))
      (func (export "variable_now") (result i32) (global.get $v))))");
  EXPECT_EQ(must(instance.global("constant")).as_f32(), 2.5F);
  EXPECT_EQ(must(instance.global("variable")).bits, 0xffffffffu);
  must(instance.set_global("variable", Value::i32(77)));
  EXPECT_EQ(bits(instance.call("variable_now")), 77u);
  EXPECT_EQ(instance.set_global("constant", Value::f32(1)).error().message(),
            "m.wat: global \"constant\" is immutable");
  EXPECT_EQ(instance.set_global("variable", Value::f32(1)).error().message(),
            "m.wat: global \"variable\" has type i32, given f32");
  EXPECT_EQ(instance.global("none").error().code(), ErrorCode::InvalidArgument);
}

TEST_F(Call, ChecksEveryAccessToMemory) {
  Instance instance = instantiate(R"((module (memory 1) (func (export "grow") (drop (memory.grow (i32.const 1))))))");
  const Memory memory = instance.memory();
  std::vector<std::uint8_t> buffer(4, 1);
  must(memory.write(65532, buffer));
  EXPECT_EQ(memory.write(65533, buffer).error().message(),
            "4 bytes at address 65533 are not inside the guest's memory of 65536 bytes");
  EXPECT_EQ(memory.read(UINT64_MAX, buffer).error().code(), ErrorCode::InvalidArgument);
  must(memory.read(0, buffer));
  EXPECT_EQ(buffer[0], 0);
  EXPECT_TRUE(memory.view(65536, 0));
  EXPECT_FALSE(memory.view(65537, 0));
  EXPECT_FALSE(memory.view(1, UINT64_MAX));
  must(instance.call("grow"));
  EXPECT_EQ(memory.bytes().size(), 131072u);
  must(memory.write(131068, buffer));
  EXPECT_TRUE(instantiate("(module)").memory().bytes().empty());
}

TEST_F(Call, GivesHostFunctionsTheirCaller) {
  linker.define_function("env", "fill", {{ValueType::I32, ValueType::I64}, {ValueType::F32, ValueType::I32}},
                         [](Caller caller, std::span<const Value> arguments, std::span<Value> results) -> Status {
                           caller.memory().bytes()[static_cast<std::size_t>(arguments[0].as_i32())] = 0x5a;
                           results[0] = Value::f32(static_cast<float>(arguments[1].as_i64()));
                           results[1] = Value::i32(3);
                           return Ok{};
                         });
  constexpr std::string_view text = R"((module (memory (export "memory") 1)
      (import "env" "fill" (func $fill (param i32 i64) (result f32 i32)))
      (func (export "run") (result f32 i32) (call $fill (i32.const 9) (i64.const -4)))))";
  EXPECT_FALSE(load(text));  // an import behind a definition
  Instance first = instantiate(R"((module (import "env" "fill" (func $fill (param i32 i64) (result f32 i32))) (memory 1)
      (func (export "run") (result f32 i32) (call $fill (i32.const 9) (i64.const -4)))))");
  const Instance second =
      instantiate(R"((module (import "env" "fill" (func (param i32 i64) (result f32 i32))) (memory 1)))");
  const std::vector<Value> results = must(first.call("run"));
  EXPECT_EQ(results.at(0).as_f32(), -4.0F);
  EXPECT_EQ(results.at(1).as_i32(), 3);
  EXPECT_EQ(first.memory().bytes()[9], 0x5a);
  EXPECT_EQ(second.memory().bytes()[9], 0);
}

TEST_F(Call, ReturnsTheErrorOfAHostFunctionAsItIs) {
  linker.define_function("env", "exit", {{}, {}}, [](Caller, std::span<const Value>, std::span<Value>) -> Status {
    return make_error(ErrorCode::GuestExit, "exit 3");
  });
  Instance instance =
      instantiate(R"((module (import "env" "exit" (func $exit)) (global $g (export "g") (mut i32) (i32.const 0))
      (func (export "run") (call $exit) (global.set $g (i32.const 1)))))");
  EXPECT_EQ(failure(instance.call("run")), "GuestExit: exit 3");
  EXPECT_EQ(must(instance.global("g")).as_i32(), 0);
  EXPECT_EQ(failure(instance.call("run")), "GuestExit: exit 3");  // and the store goes on
}

TEST_F(Call, TurnsExceptionsIntoTraps) {
  linker.define_function("env", "throw", {{}, {}}, [](Caller, std::span<const Value>, std::span<Value>) -> Status {
    throw std::runtime_error("out of coffee");
  });
  linker.define_function("env", "throw_int", {{}, {}},
                         [](Caller, std::span<const Value>, std::span<Value>) -> Status { throw 5; });
  Instance instance = instantiate(R"((module (import "env" "throw" (func $a)) (import "env" "throw_int" (func $b))
      (func (export "a") (call $a)) (func (export "b") (call $b))))");
  EXPECT_EQ(failure(instance.call("a")), "Trap: host function \"env\" \"throw\" threw an exception: out of coffee");
  EXPECT_EQ(failure(instance.call("b")),
            "Trap: host function \"env\" \"throw_int\" threw an exception of unknown type");
}

TEST_F(Call, RefusesResultsOfAnotherType) {
  linker.define_function("env", "f", {{}, {ValueType::I32}},
                         [](Caller, std::span<const Value>, std::span<Value> results) -> Status {
                           results[0] = Value::f64(1);
                           return Ok{};
                         });
  Instance instance =
      instantiate(R"((module (import "env" "f" (func $f (result i32))) (func (export "run") (result i32) (call $f))))");
  EXPECT_EQ(failure(instance.call("run")),
            "InvalidArgument: host function \"env\" \"f\" returned f64 as result 0: its type is () -> i32");
}

TEST_F(Call, CallsAHostFunctionByReferenceAndByExport) {
  linker.define_function("env", "twice", {{ValueType::I32}, {ValueType::I32}},
                         [](Caller, std::span<const Value> arguments, std::span<Value> results) -> Status {
                           results[0] = Value::i32(static_cast<std::uint32_t>(2 * arguments[0].as_i32()));
                           return Ok{};
                         });
  Instance instance = instantiate(R"((module (import "env" "twice" (func $twice (param i32) (result i32)))
      (export "twice" (func $twice)) (table 1 funcref) (elem (i32.const 0) func $twice) (type $t (func (param i32) (result i32)))
      (func (export "run") (param i32) (result i32) (call_indirect (type $t) (local.get 0) (i32.const 0)))))");
  EXPECT_EQ(bits(instance.call("twice", std::vector{Value::i32(21)})), 42u);
  EXPECT_EQ(bits(instance.call("run", std::vector{Value::i32(4)})), 8u);
  linker.define_instance("first", instance);
  Instance importer = instantiate(R"((module (import "first" "twice" (func $f (param i32) (result i32)))
      (func (export "run") (param i32) (result i32) (i32.add (call $f (local.get 0)) (i32.const 1)))))");
  EXPECT_EQ(bits(importer.call("run", std::vector{Value::i32(4)})), 9u);
}

// guest -> host -> guest -> host ..., each level keeping a value in its frame.
TEST_F(Call, NestsThroughTheHost) {
  linker.define_function("env", "again", {{ValueType::I32}, {ValueType::I32}},
                         [](Caller caller, std::span<const Value> arguments, std::span<Value> results) -> Status {
                           Result<std::vector<Value>> inner = caller.instance().call("sum", arguments);
                           if (!inner) return std::move(inner).error();
                           results[0] = inner->at(0);
                           return Ok{};
                         });
  Instance instance = instantiate(R"((module (import "env" "again" (func $again (param i32) (result i32)))
      (func (export "sum") (param i32) (result i32)
        (if (result i32) (local.get 0)
          (then (i32.add (local.get 0) (call $again (i32.sub (local.get 0) (i32.const 1)))))
          (else (i32.const 0))))))");
  EXPECT_EQ(bits(instance.call("sum", std::vector{Value::i32(50)})), 50u * 51 / 2);
}

// Each nested call ends where it began: none leaves the guest's stack shorter for the next.
TEST_F(Call, NestsAnyNumberOfTimesInARow) {
  linker.define_function("env", "nothing", {{}, {}},
                         [](Caller, std::span<const Value>, std::span<Value>) -> Status { return Ok{}; });
  linker.define_function("env", "many", {{}, {}},
                         [](Caller caller, std::span<const Value>, std::span<Value>) -> Status {
                           for (int i = 0; i < 20'000; ++i) {
                             Result<std::vector<Value>> inner = caller.instance().call("inner");
                             if (!inner) return std::move(inner).error();
                           }
                           return Ok{};
                         });
  Instance instance = instantiate(R"((module (import "env" "nothing" (func $nothing)) (import "env" "many" (func $many))
      (func (export "inner") (call $nothing)) (func (export "run") (call $many))))");
  EXPECT_EQ(failure(instance.call("run")), "returned");
}

TEST_F(Call, GoesOnAfterANestedTrapThatTheHostSwallowed) {
  std::string seen;
  linker.define_function("env", "try", {{}, {}},
                         [&seen](Caller caller, std::span<const Value>, std::span<Value>) -> Status {
                           seen = failure(caller.instance().call("bad"));
                           return Ok{};
                         });
  Instance instance = instantiate(R"((module (import "env" "try" (func $try)) (memory 1)
      (func $bad (export "bad") (drop (i32.load (i32.const 65536))))
      (func (export "run") (param i32) (result i32) (call $try) (local.get 0))
      (func (export "then_fill") (call $try) (memory.fill (i32.const 65536) (i32.const 0) (i32.const 1)))))");
  EXPECT_EQ(bits(instance.call("run", std::vector{Value::i32(6)})), 6u);
  EXPECT_TRUE(seen.starts_with("Trap: m.wat: out of bounds memory access in function bad at byte 0x")) << seen;
  const std::string later = failure(instance.call("then_fill"));
  EXPECT_TRUE(later.starts_with("Trap: m.wat: out of bounds memory access in function then_fill at byte 0x")) << later;
}

TEST_F(Call, CallsIntoAnotherStoreFromAHostFunction) {
  Store other_store = must(Store::create());
  Linker other_linker(other_store);
  Instance other = must(other_linker.instantiate(must(load(R"((module (func (export "f") (result i32) (i32.const 5))
      (func (export "bad") unreachable)))",
                                                           "other.wat"))));
  std::string seen;
  linker.define_function("env", "other", {{}, {ValueType::I32}},
                         [&](Caller, std::span<const Value>, std::span<Value> results) -> Status {
                           seen = failure(other.call("bad"));
                           results[0] = must(other.call("f")).at(0);
                           return Ok{};
                         });
  Instance instance = instantiate(R"((module (import "env" "other" (func $f (result i32))) (memory 1)
      (func (export "run") (result i32) (i32.add (call $f) (i32.const 1)))
      (func (export "trap") (drop (call $f)) (drop (i32.load (i32.const -1))))))");
  EXPECT_EQ(bits(instance.call("run")), 6u);
  EXPECT_TRUE(seen.starts_with("Trap: other.wat: unreachable in function bad")) << seen;
  EXPECT_TRUE(failure(instance.call("trap")).starts_with("Trap: m.wat: out of bounds memory access in function trap"));
}

TEST_F(Call, KeepsItsExportsAndImportsInOrder) {
  const Module module =
      must(load(R"((module (import "a" "f" (func (param i64))) (import "flags" "fast" (func (result i32)))
      (import "b" "m" (memory 1 2)) (global (export "g") (mut f64) (f64.const 0)) (table (export "t") 3 funcref)))"));
  std::vector<std::string> seen;
  for (const runtime::ImportType& import : module.imports())
    seen.push_back(import.module + "." + import.name + " " + to_string(import.type));
  for (const runtime::ExportType& item : module.exports()) seen.push_back(item.name + " " + to_string(item.type));
  EXPECT_EQ(seen,
            (std::vector<std::string>{"a.f function (i64) -> ()", "flags.fast function () -> i32",
                                      "b.m memory of 1..2 pages", "g mutable global f64", "t table of 3.. funcref"}));
}

TEST_F(Call, TellsWhatCompilingCost) {
  const Module module = must(load("(module (func) (func))"));
  EXPECT_EQ(module.stats().functions, 2u);
  EXPECT_GT(module.stats().module_bytes, module.stats().code_section_bytes);
  EXPECT_GT(module.stats().machine_code_bytes, 0u);
  EXPECT_GT(module.stats().total_ns(), 0u);
}

}  // namespace
}  // namespace shunt::test
