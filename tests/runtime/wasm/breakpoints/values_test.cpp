// What a handler sees and changes: locals, operands, globals, memory.
#include "tests/runtime/wasm/breakpoints/debugged_guest.h"

namespace shunt::test {
namespace {

std::string text(const Value& value) {
  return std::string(to_string(value.type)) + ":" + std::to_string(value.bits);
}

std::vector<std::string> locals(const BreakpointContext& at) {
  std::vector<std::string> all;
  for (std::size_t i = 0; i < at.locals(); ++i) all.push_back(text(at.local(i)));
  return all;
}

std::vector<std::string> operands(const BreakpointContext& at) {
  std::vector<std::string> all;
  for (std::size_t i = 0; i < at.operands(); ++i) all.push_back(text(at.operand(i)));
  return all;
}

class BreakpointValues : public DebuggedGuest {};

// Of all types, parameters in registers and on the stack, used or not.
TEST_F(BreakpointValues, LocalsOfAllTypesAreSeen) {
  const Module module = load_debuggable(R"((module
    (func $f (export "f")
      (param i32 i64 f32 f64 externref i32 i32 i32 i32 i32 f64 f64 f64 f64 f64 f64 f64 f64)
      (local i32 i64 f32 f64 funcref externref)
      (local.set 18 (i32.const -1)) (local.set 19 (i64.const -2)) (local.set 20 (f32.const -0x1p-3))
      (local.set 21 (f64.const 0x1p+100)) (local.set 22 (ref.func $f)) (local.set 23 (local.get 4)) (nop))
    (elem declare func $f)))");
  Instance instance = must(linker.instantiate(module));
  int host = 0;
  std::vector<Value> arguments = {Value::i32(0x80000001), Value::i64(0xfedcba9876543210), Value::f32(1.5F),
                                  Value::f64(-2.25), Value::extern_ref(&host)};
  for (std::uint32_t i = 5; i < 10; ++i) arguments.push_back(Value::i32(0xf0000000 + i));
  for (std::uint32_t i = 10; i < 18; ++i) arguments.push_back(Value::f64(i + 0.5));
  std::vector<std::string> parameters;
  for (const Value& argument : arguments) parameters.push_back(text(argument));
  std::vector<std::vector<std::string>> seen;
  const auto look = [&](BreakpointContext& context) {
    seen.push_back(locals(context));
    return BreakpointAction::Resume;
  };
  const Breakpoint first = at(module, "f", 0, look);
  const Breakpoint last = at(module, "f", 12, look);
  ASSERT_TRUE(instance.call("f", arguments));
  ASSERT_EQ(seen.size(), 2u);
  std::vector<std::string> expected = parameters;
  for (const char* const zero : {"i32:0", "i64:0", "f32:0", "f64:0", "funcref:0", "externref:0"}) {
    expected.emplace_back(zero);
  }
  EXPECT_EQ(seen[0], expected);
  expected = parameters;
  for (const Value& value :
       {Value::i32(0xffffffff), Value::i64(static_cast<std::uint64_t>(-2)), Value::f32(-0.125F), Value::f64(0x1p+100),
        Value{ValueType::FuncRef, reinterpret_cast<std::uintptr_t>(&instance.state()->functions[0])}, arguments[4]}) {
    expected.push_back(text(value));
  }
  EXPECT_EQ(seen[1], expected);
}

TEST_F(BreakpointValues, TheOperandStackIsSeen) {
  const Module module = load_debuggable(R"((module
    (func $g (param i32) (result i64 i32) (i64.const 7) (local.get 0))
    (func $f (export "f") (param i32 f64) (result i32)
      (i32.const 5) (local.get 0) (local.get 1) (f32.const 0.5) (i64.const 9) (ref.null extern) (call $g (i32.const 3))
      nop drop drop drop drop drop drop
      (block (param i32 i32) (result i32) i32.sub))))");
  Instance instance = must(linker.instantiate(module));
  std::vector<std::string> at_nop, at_block, inside;
  const auto look_into = [](std::vector<std::string>& seen) {
    return [&seen](BreakpointContext& context) {
      seen = operands(context);
      return BreakpointAction::Resume;
    };
  };
  const Breakpoint breakpoints[] = {at(module, "f", 8, look_into(at_nop)), at(module, "f", 15, look_into(at_block)),
                                    at(module, "f", 16, look_into(inside))};
  EXPECT_EQ(bits(instance.call("f", std::vector{Value::i32(40), Value::f64(2.0)})), static_cast<std::uint32_t>(-35));
  const std::vector<std::string> below = {text(Value::i32(5)), text(Value::i32(40))};
  std::vector<std::string> all = below;
  for (const Value& value : {Value::f64(2.0), Value::f32(0.5F), Value::i64(9), Value::null_ref(ValueType::ExternRef),
                             Value::i64(7), Value::i32(3)}) {
    all.push_back(text(value));
  }
  EXPECT_EQ(at_nop, all);
  EXPECT_EQ(at_block, below);
  EXPECT_EQ(inside, below);
}

TEST_F(BreakpointValues, WhatIsWrittenIsComputedWith) {
  const Module module = load_debuggable(R"((module (memory (export "memory") 1)
    (global $g (export "g") (mut i64) (i64.const 100))
    (global $c i32 (i32.const 4))
    (func $f (export "f") (param i32 i64 f32 f64) (result f64)
      (i32.store (i32.const 8) (local.get 0))
      (f64.add (local.get 3)
        (f64.add (f64.promote_f32 (local.get 2))
          (f64.add (f64.convert_i64_s (i64.add (local.get 1) (global.get $g)))
                   (f64.convert_i32_s (i32.add (i32.load (i32.const 8)) (i32.mul (i32.const 10) (i32.const 1))))))))))");
  Instance instance = must(linker.instantiate(module));
  const std::vector<Value> arguments = {Value::i32(1), Value::i64(2), Value::f32(3), Value::f64(4)};
  EXPECT_EQ(must(instance.call("f", arguments)).front().as_f64(), 120);
  std::vector<std::int64_t> found;
  const Breakpoint first = at(module, "f", 0, [&](BreakpointContext& context) {
    EXPECT_TRUE(context.set_local(0, Value::i32(static_cast<std::uint32_t>(-1000))));
    EXPECT_TRUE(context.set_local(1, Value::i64(static_cast<std::uint64_t>(-2'000))));
    EXPECT_TRUE(context.set_local(2, Value::f32(0.5F)));
    EXPECT_TRUE(context.set_local(3, Value::f64(0.25)));
    EXPECT_EQ(context.globals(), 2u);
    found.push_back(context.global(0).as_i64());
    EXPECT_EQ(context.global(1).as_i32(), 4);
    EXPECT_TRUE(context.set_global(0, Value::i64(20'000)));
    return BreakpointAction::Resume;
  });
  EXPECT_EQ(must(instance.call("f", arguments)).front().as_f64(), 0.25 + 0.5 + 18'000 - 1000 + 10);
  EXPECT_EQ(must(instance.global("g")).as_i64(), 20'000);

  // The operand of the multiplication, and the memory that is read next.
  const Breakpoint later = at(module, "f", 14, [](BreakpointContext& context) {
    const std::size_t top = context.operands() - 1;
    EXPECT_EQ(context.operand(top).as_i32(), 1);
    EXPECT_EQ(context.operand(top - 1).as_i32(), 10);
    EXPECT_EQ(context.operand(top - 2).as_i32(), -1000);
    EXPECT_TRUE(context.set_operand(top - 1, Value::i32(30)));
    EXPECT_TRUE(context.set_operand(top - 2, Value::i32(5)));
    EXPECT_EQ(context.memory().bytes()[8], 0x18);
    return BreakpointAction::Resume;
  });
  EXPECT_EQ(must(instance.call("f", arguments)).front().as_f64(), 0.25 + 0.5 + 18'000 + 5 + 30);
  EXPECT_EQ(found, (std::vector<std::int64_t>{100, 20'000}));
}

TEST_F(BreakpointValues, WhatDoesNotFitIsRefused) {
  const Module module = load_debuggable(R"((module (global i32 (i32.const 1)) (global (mut f32) (f32.const 1))
    (func $f (export "f") (param i32) (result i32) (local.get 0))))");
  Instance instance = must(linker.instantiate(module));
  std::vector<std::string> messages;
  const auto note = [&](const Status& status) { messages.push_back(status ? "done" : status.error().message()); };
  const Breakpoint breakpoint = at(module, "f", 1, [&](BreakpointContext& context) {
    note(context.set_local(0, Value::f64(1)));
    note(context.set_local(1, Value::i32(1)));
    note(context.set_operand(0, Value::i64(1)));
    note(context.set_operand(1, Value::i32(1)));
    note(context.set_global(0, Value::i32(1)));
    note(context.set_global(1, Value::i32(1)));
    note(context.set_global(2, Value::i32(1)));
    return BreakpointAction::Resume;
  });
  EXPECT_EQ(bits(instance.call("f", std::vector{Value::i32(3)})), 3u);
  const std::vector<std::string> expected = {"local 0 of function f is i32, given f64",
                                             "function f has no local 1 here: it has 1",
                                             "operand 0 of function f is i32, given i64",
                                             "function f has no operand 1 here: it has 1",
                                             "global 0 of m.wat is immutable",
                                             "global 1 of m.wat is f32, given i32",
                                             "m.wat has no global 2"};
  EXPECT_EQ(messages, expected);
}

}  // namespace
}  // namespace shunt::test
