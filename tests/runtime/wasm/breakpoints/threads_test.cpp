// Breakpoints come and go while guests run on several threads.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <thread>

#include "tests/runtime/wasm/breakpoints/debugged_guest.h"

namespace shunt::test {
namespace {

// Calls $step so many times.
constexpr std::string_view busy = R"((module
  (import "host" "begun" (func $begun))
  (func $step (param i64 i64) (result i64) (local $i i32)
    (loop
      (local.set 0 (i64.add (i64.rotl (i64.xor (local.get 0) (local.get 1)) (i64.const 11)) (i64.const 12345)))
      (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 3))))
    (local.get 0))
  (func (export "run") (param i32) (result i64) (local $x i64)
    (loop
      (local.set $x (call $step (local.get $x) (i64.extend_i32_u (local.get 0))))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get $x))
  (func (export "wait") (result i32) (call $begun) (i32.load (i32.const 0)))
  (memory (export "memory") 1)))";

class BreakpointThreads : public DebuggedGuest {
 protected:
  // An instance in a store of its own, for one thread.
  struct Guest {
    Guest(const Module& module, runtime::HostFunction begun) : store(must(Store::create())), linker(store) {
      linker.define_function("host", "begun", {}, std::move(begun));
      instance = must(linker.instantiate(module));
    }
    Store store;
    Linker linker;
    Instance instance;
  };
  static Status nothing(Caller, std::span<const Value>, std::span<Value>) { return Ok{}; }
};

TEST_F(BreakpointThreads, SetAndClearedUnderFourThreadsChangeNoResult) {
  constexpr std::uint32_t calls = 2000;
  constexpr std::size_t threads = 4, cycles = 60;
  const Module module = load_debuggable(busy);
  const std::vector<Value> arguments = {Value::i32(calls)};
  const std::uint64_t expected = bits(Guest(module, nothing).instance.call("run", arguments));
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0};
  std::array<std::atomic<int>, threads> rounds{};
  std::vector<std::thread> guests;
  for (std::atomic<int>& round : rounds) {
    guests.emplace_back([&] {
      Guest guest(module, nothing);
      while (!done) {
        if (bits(guest.instance.call("run", arguments)) != expected) ++wrong;
        ++round;
      }
    });
  }
  const std::vector<std::uint32_t> operations = must(Breakpoint::operations(module, "step"));
  std::uint64_t hits = 0;
  std::atomic<std::uint64_t> steps{0};
  const auto all_ran = [&] { return std::ranges::all_of(rounds, [](const auto& count) { return count >= 3; }); };
  for (std::size_t cycle = 0; cycle < cycles || hits == 0 || steps == 0 || !all_ran(); ++cycle) {
    const bool is_stepping = cycle % 4 == 0;
    Breakpoint breakpoint = must(Breakpoint::set(
        module, {"step", operations[cycle % operations.size()]}, [&steps, is_stepping](BreakpointContext& at) {
          steps += at.is_step() ? 1 : 0;
          return is_stepping ? BreakpointAction::Step : BreakpointAction::Resume;
        }));
    const Breakpoint other = must(Breakpoint::set(module, {"run", {}}, resume));
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    ASSERT_TRUE(breakpoint.clear());
    hits += breakpoint.hits();
  }
  done = true;
  for (std::thread& guest : guests) guest.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(module.state()->breakpoints->collect({}), 0u);
}

// A version that a thread is in stays, and is used again; it ends when the thread has left.
TEST_F(BreakpointThreads, AVersionEndsWhenNoThreadIsInIt) {
  const Module module = load_debuggable(busy);
  std::atomic<bool> inside{false}, go_on{false};
  Breakpoint breakpoint = must(Breakpoint::set(module, {"wait", {}}, resume));
  std::thread thread([&] {
    Guest guest(module, [&](Caller, std::span<const Value>, std::span<Value>) -> Status {
      inside = true;
      while (!go_on) std::this_thread::yield();
      return Ok{};
    });
    EXPECT_EQ(bits(guest.instance.call("wait")), 0u);
  });
  while (!inside) std::this_thread::yield();
  ASSERT_TRUE(breakpoint.clear());
  wasm::Breakpoints& breakpoints = *module.state()->breakpoints;
  EXPECT_EQ(breakpoints.collect(std::chrono::milliseconds(1)), 1u);
  // The call in progress is in the version, so it comes to what is set now.
  Breakpoint later = at(module, "wait", 2, resume);
  go_on = true;
  thread.join();
  EXPECT_EQ(later.hits(), 1u);
  EXPECT_EQ(breakpoints.collect({}), 0u);
  ASSERT_TRUE(later.clear());
  EXPECT_EQ(breakpoints.collect({}), 0u);
}

}  // namespace
}  // namespace shunt::test
