// Traps: what they say, and what is none.
#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <thread>

#include "tests/runtime/wasm/instance/guest_fixture.h"

namespace shunt::test {
namespace {

using Traps = GuestTest;

struct Case {
  const char* body;
  const char* what;
};

// Every trap, with its function and the byte of the operation.
TEST_F(Traps, SayWhatAndWhere) {
  const Case cases[] = {
      {"unreachable", "unreachable"},
      {"(drop (i32.div_s (i32.const 1) (local.get 0)))", "integer divide by zero"},
      {"(drop (i64.rem_u (i64.const 1) (i64.const 0)))", "integer divide by zero"},
      {"(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))", "integer overflow"},
      {"(drop (i32.trunc_f32_s (f32.const nan)))", "invalid conversion to integer"},
      {"(drop (i32.trunc_f64_u (f64.const 1e300)))", "integer overflow"},
      {"(drop (i32.load (i32.const 65533)))", "out of bounds memory access"},
      {"(drop (i64.load8_u offset=0xffffffff (i32.const 0xffffffff)))", "out of bounds memory access"},
      {"(f64.store (i32.const 65529) (f64.const 0))", "out of bounds memory access"},
      {"(memory.fill (i32.const 65536) (i32.const 0) (i32.const 1))", "out of bounds memory access"},
      {"(memory.copy (i32.const 0) (i32.const 0xffffffff) (i32.const 2))", "out of bounds memory access"},
      {"(memory.init 0 (i32.const 0) (i32.const 1) (i32.const 0xffffffff))", "out of bounds memory access"},
      {"(drop (table.get 0 (i32.const 3)))", "out of bounds table access"},
      {"(table.set 0 (i32.const 0xffffffff) (ref.null func))", "out of bounds table access"},
      {"(table.fill 0 (i32.const 2) (ref.null func) (i32.const 2))", "out of bounds table access"},
      {"(table.copy 0 0 (i32.const 3) (i32.const 0) (i32.const 1))", "out of bounds table access"},
      {"(table.init 0 0 (i32.const 0) (i32.const 0) (i32.const 2))", "out of bounds table access"},
      {"(call_indirect (type $void) (i32.const 3))", "undefined element"},
      {"(call_indirect (type $void) (i32.const 1))", "uninitialized element"},
      {"(drop (call_indirect (type $other) (i32.const 0)))", "indirect call type mismatch"},
  };
  for (const Case& one : cases) {
    const std::string text = std::string(R"((module (type $void (func)) (type $other (func (result i32)))
        (memory 1) (table 3 funcref) (elem (i32.const 0) func $void_function) (elem funcref (ref.null func)) (data "x")
        (func $void_function)
        (func $guilty (local i32) nop )") +
                             one.body + R"( (drop (i32.const 1)))
        (func (export "run") (call $guilty))))";
    const std::string message = failure(instantiate(text).call("run"));
    EXPECT_TRUE(message.starts_with("Trap: m.wat: " + std::string(one.what) + " in function guilty at byte 0x"))
        << one.body << ": " << message;
  }
}

TEST_F(Traps, NameTheByteOfTheOperation) {
  const std::vector<std::uint8_t> bytes =
      must(runtime::assemble("(module (func (export \"run\") nop nop unreachable))", "m.wat"));
  Instance instance = must(linker.instantiate(must(Module::load(*engine, *flags, bytes, {.name = "m.wasm"}))));
  const std::vector<std::uint8_t> body = {0x01, 0x01, 0x00, 0x0b};
  const auto place = std::search(bytes.begin(), bytes.end(), body.begin(), body.end()) - bytes.begin() + 2;
  char expected[80];
  std::snprintf(expected, sizeof expected, "Trap: m.wasm: unreachable in function run at byte 0x%04tx", place);
  EXPECT_EQ(failure(instance.call("run")), expected);
}

TEST_F(Traps, LeaveTheInstanceUsable) {
  Instance instance = instantiate(R"((module (memory 1)
      (func (export "bad") (drop (i32.load (i32.const -1)))) (func (export "good") (result i32) (i32.const 3))))");
  for (int i = 0; i < 1000; ++i) {
    EXPECT_FALSE(instance.call("bad"));
    EXPECT_EQ(bits(instance.call("good")), 3u);
  }
}

TEST_F(Traps, CatchEndlessRecursion) {
  Instance instance = instantiate(R"((module (func $f (export "f") (param i64 i64) (result i64)
      (i64.add (call $f (local.get 1) (local.get 0)) (i64.const 1)))
      (func (export "good") (result i32) (i32.const 3))))");
  for (int i = 0; i < 3; ++i) {
    const std::string message = failure(instance.call("f", std::vector{Value::i64(1), Value::i64(2)}));
    EXPECT_TRUE(message.starts_with("Trap: m.wat: call stack exhausted")) << message;
    EXPECT_EQ(bits(instance.call("good")), 3u);
  }
}

// The guest's stack is nearly empty, but the host's would overflow.
TEST_F(Traps, CatchEndlessRecursionThroughTheHost) {
  linker.define_function("env", "again", {{}, {}},
                         [](Caller caller, std::span<const Value>, std::span<Value>) -> Status {
                           volatile char host_frame[4096];
                           host_frame[0] = 1;
                           Result<std::vector<Value>> inner = caller.instance().call("f");
                           if (!inner) return std::move(inner).error();
                           return host_frame[0] == 1 ? Status(Ok{}) : make_error(ErrorCode::Trap, "frame");
                         });
  Instance instance = instantiate(R"((module (import "env" "again" (func $again)) (func (export "f") (call $again))))");
  for (int i = 0; i < 2; ++i) {
    const std::string message = failure(instance.call("f"));
    EXPECT_TRUE(message.starts_with("Trap: m.wat: call stack exhausted")) << message;
  }
}

// The place is that of the call which found no room, not that of another call that ended before it: `leaf`, which the
// host makes before it uses most of what is left of its stack.
[[gnu::noinline]] Status call_with_a_large_frame(Instance instance, const char* name) {
  volatile char host_frame[100 << 10];
  host_frame[0] = 1;
  Result<std::vector<Value>> inner = instance.call(name);
  if (!inner) return std::move(inner).error();
  return host_frame[0] == 1 ? Status(Ok{}) : make_error(ErrorCode::Trap, "frame");
}

TEST_F(Traps, NameTheCallThatFoundNoRoom) {
  bool leaf_returned = false;
  linker.define_function("env", "nothing", {{}, {}},
                         [](Caller, std::span<const Value>, std::span<Value>) -> Status { return Ok{}; });
  linker.define_function("env", "again", {{}, {}},
                         [&](Caller caller, std::span<const Value>, std::span<Value>) -> Status {
                           if (caller.instance().call("leaf")) leaf_returned = true;
                           return call_with_a_large_frame(caller.instance(), "outer");
                         });
  Instance instance =
      instantiate(R"((module (import "env" "nothing" (func $nothing)) (import "env" "again" (func $again))
      (func (export "leaf") (call $nothing)) (func (export "outer") (call $again))))");
  const std::string message = failure(instance.call("outer"));
  EXPECT_TRUE(message.starts_with("Trap: m.wat: call stack exhausted in function outer at byte 0x")) << message;
  EXPECT_TRUE(leaf_returned);
}

// A stack that overflows some calls deep inside host functions: the frames that wait below it are whole.
TEST_F(Traps, CatchAStackOverflowInsideHostCalls) {
  std::string inner_message;
  linker.define_function("env", "deeper", {{ValueType::I32}, {}},
                         [&](Caller caller, std::span<const Value> arguments, std::span<Value>) -> Status {
                           if (arguments[0].as_i32() > 0) {
                             Result<std::vector<Value>> inner = caller.instance().call("descend", arguments);
                             return inner ? Status(Ok{}) : Status(std::move(inner).error());
                           }
                           inner_message = failure(caller.instance().call("endless"));
                           return Ok{};
                         });
  Instance instance = instantiate(R"((module (import "env" "deeper" (func $deeper (param i32)))
      (func $endless (export "endless") (call $endless))
      (func (export "descend") (param i32) (call $deeper (i32.sub (local.get 0) (i32.const 1))))
      (func (export "run") (param i32) (result i32) (call $deeper (i32.const 20)) (local.get 0))))");
  EXPECT_EQ(bits(instance.call("run", std::vector{Value::i32(99)})), 99u);
  EXPECT_TRUE(inner_message.starts_with("Trap: m.wat: call stack exhausted")) << inner_message;
}

// A host function writes its results into slots on the guest's stack; there must be room for them before it is called.
TEST_F(Traps, CatchAStackThatIsFullUpToAHostFunctionsResults) {
  Store small = must(Store::create({.stack_bytes = 64 << 10}));
  Linker of_small(small);
  using enum ValueType;
  of_small.define_function("env", "one", {{}, {I64}},
                           [](Caller, std::span<const Value>, std::span<Value> results) -> Status {
                             results[0] = Value::i64(1);
                             return Ok{};
                           });
  of_small.define_function("env", "three", {{}, {I64, F64, I64}},
                           [](Caller, std::span<const Value>, std::span<Value>) -> Status { return Ok{}; });
  // Each entry begins with a frame of another size, so that some recursion ends at every distance from the guard.
  std::string text =
      R"((module (import "env" "one" (func $one (result i64))) (import "env" "three" (func $three (result i64 f64 i64)))
      (func $f (drop (call $one)) (call $f)) (func $g (call $three) drop drop drop (call $g)))";
  for (int words = 0; words < 32; ++words) {
    std::string operands, drops;
    for (int i = 0; i < words; ++i) {
      operands += "(call $one) ";
      drops += " drop";
    }
    const std::string number = std::to_string(words);
    text += "(func (export \"f" + number + "\") " + operands + "(call $f)" + drops + ")\n";
    text += "(func (export \"g" + number + "\") " + operands + "(call $g)" + drops + ")\n";
  }
  Instance instance = must(of_small.instantiate(must(load(text + ")"))));
  for (int words = 0; words < 32; ++words) {
    for (const char* const name : {"f", "g"}) {
      const std::string message = failure(instance.call(name + std::to_string(words)));
      EXPECT_TRUE(message.starts_with("Trap: m.wat: call stack exhausted")) << message;
    }
  }
}

TEST_F(Traps, CatchAStackThatIsNearlyFullBeforeACall) {
  Store small = must(Store::create({.stack_bytes = 64 << 10}));
  Linker of_small(small);
  of_small.define_function(
      "env", "again", {{ValueType::I32}, {}}, [](Caller caller, std::span<const Value>, std::span<Value>) -> Status {
        Result<std::vector<Value>> inner = caller.instance().call("f", std::vector{Value::i32(40)});
        return inner ? Status(Ok{}) : Status(std::move(inner).error());
      });
  Instance instance = must(of_small.instantiate(must(load(R"((module (import "env" "again" (func $again (param i32)))
      (func $f (export "f") (param i32)
        (if (local.get 0) (then (call $f (i32.sub (local.get 0) (i32.const 1)))) (else (call $again (i32.const 0)))))))"))));
  const std::string message = failure(instance.call("f", std::vector{Value::i32(1)}));
  EXPECT_TRUE(message.starts_with("Trap: m.wat: call stack exhausted")) << message;
}

TEST_F(Traps, HappenOnThreadsThatNeverRanAGuestBefore) {
  const Module module = must(load(R"((module (memory 1) (func (export "bad") (drop (i32.load (i32.const -1))))
      (func $f (export "endless") (call $f))))"));
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&module] {
      Store own = must(Store::create());
      Linker own_linker(own);
      Instance instance = must(own_linker.instantiate(module));
      for (int round = 0; round < 100; ++round) {
        EXPECT_TRUE(failure(instance.call("bad")).starts_with("Trap: m.wat: out of bounds memory access"));
        EXPECT_TRUE(failure(instance.call("endless")).starts_with("Trap: m.wat: call stack exhausted"));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// Instances on several threads share one module's code, each with its own memory.
TEST_F(Traps, DoNotReachOtherThreadsInstances) {
  const Module module = must(load(R"((module (memory (export "memory") 1)
      (func (export "sum") (param i32) (result i32) (local i32)
        (loop (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (local.get 0)))
              (br_if 0 (i32.lt_u (local.tee 1 (i32.add (local.get 1) (i32.const 1))) (i32.const 10000))))
        (i32.load (i32.const 0)))
      (func (export "bad") unreachable)))"));
  std::vector<std::thread> threads;
  for (unsigned i = 1; i <= 2; ++i) {
    threads.emplace_back([&module, i] {
      Store own = must(Store::create());
      Linker own_linker(own);
      Instance instance = must(own_linker.instantiate(module));
      for (unsigned round = 1; round <= 20; ++round) {
        EXPECT_EQ(bits(instance.call("sum", std::vector{Value::i32(i)})), i * round * 10000);
        EXPECT_FALSE(instance.call("bad"));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// --- faults that are not the guest's ---

volatile std::uintptr_t address_of_nothing = 8;
void touch_nothing() {
  *reinterpret_cast<volatile int*>(address_of_nothing) = 1;
}

TEST_F(Traps, DoNotHideTheHostsOwnFaults) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(touch_nothing(), "");
}

TEST_F(Traps, DoNotHideFaultsOfHostFunctions) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  linker.define_function("env", "crash", {{}, {}}, [](Caller, std::span<const Value>, std::span<Value>) -> Status {
    touch_nothing();
    return Ok{};
  });
  Instance instance =
      instantiate(R"((module (import "env" "crash" (func $crash)) (func (export "run") (call $crash))))");
  EXPECT_DEATH(static_cast<void>(instance.call("run")), "");
}

// The host's pointer into the guest's reservation is the host's fault.
TEST_F(Traps, DoNotHideTheHostsFaultsInAGuestsMemory) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  linker.define_function("env", "crash", {{}, {}},
                         [](Caller caller, std::span<const Value>, std::span<Value>) -> Status {
                           const std::span<std::uint8_t> bytes = caller.memory().bytes();
                           *const_cast<volatile std::uint8_t*>(bytes.data() + bytes.size()) = 1;
                           return Ok{};
                         });
  Instance instance =
      instantiate(R"((module (import "env" "crash" (func $crash)) (memory 1) (func (export "run") (call $crash))))");
  EXPECT_DEATH(static_cast<void>(instance.call("run")), "");
}

TEST_F(Traps, LeaveSignalsThatAProcessSendsTheirEffect) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(raise(SIGFPE), "");
}

}  // namespace
}  // namespace shunt::test
