// Optimised loops that never end see a flag that another thread flips: one that only asks for the flag, one that is
// made into strips without reads of it, one that does so in a function of its own. And they can be stopped.
#include <atomic>
#include <chrono>
#include <string>
#include <thread>

#include "tests/runtime/wasm/control/interrupted_guest.h"
#include "tests/runtime/wasm/instance/guest_fixture.h"

namespace shunt::test {
namespace {

// Each returns what it counted once the flag is on. `begun` is called in front of the loop.
constexpr std::string_view endless = R"((module
    (import "flags" "go" (func $go (result i32))) (import "host" "begun" (func $begun)) (memory 1)
    (func $asks (result i32) (call $go))
    (func (export "bare") (result i64) (call $begun)
      (loop $again (br_if $again (i32.eqz (call $go)))) (i64.const 1))
    (func (export "counts") (result i64) (local $i i64) (call $begun)
      (loop $again
        (local.set $i (i64.add (local.get $i) (i64.const 1)))
        (if (call $go) (then (return (local.get $i))))
        (br_if $again (i64.ne (local.get $i) (i64.const -1))))
      (i64.const 0))
    (func (export "sums") (result i64) (local $i i64) (local $s i64) (call $begun)
      (loop $again
        (local.set $s (i64.add (local.get $s) (i64.load8_u (i32.wrap_i64 (i64.and (local.get $i) (i64.const 65535))))))
        (if (call $go) (then (return (i64.add (local.get $s) (i64.const 1)))))
        (local.set $i (i64.add (local.get $i) (i64.const 1)))
        (br_if $again (i64.lt_u (local.get $i) (i64.const 0x7fffffffffffffff))))
      (i64.const 0))
    (func (export "calls") (result i64) (call $begun)
      (loop $again (br_if $again (i32.eqz (call $asks)))) (i64.const 1))))";

class EndlessFlags : public GuestTest, public testing::WithParamInterface<const char*> {};

TEST_P(EndlessFlags, AreSeenWhenTheyComeOn) {
  const auto bytes = must(runtime::assemble(endless, "m.wat"));
  const Module module =
      must(Module::load(*engine, *flags, bytes, {.name = "m.wat", .tier = runtime::Tier::Optimising}));
  for (int round = 0; round < 5; ++round) {
    must(flags->set("go", false));
    std::atomic<bool> begun{false};
    std::atomic<std::uint64_t> counted{0};
    std::thread guest([&] {
      Store own = must(Store::create());
      Linker its(own);
      its.define_function("host", "begun", {}, [&](Caller, std::span<const Value>, std::span<Value>) -> Status {
        begun = true;
        return Ok{};
      });
      Instance instance = must(its.instantiate(module));
      counted = bits(instance.call(GetParam()));
    });
    while (!begun) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // it is in the loop
    EXPECT_EQ(counted, 0U);
    must(flags->set("go", true));
    guest.join();  // a loop that does not see it never ends: the test's time limit
    EXPECT_GT(counted, 0U);
  }
}

INSTANTIATE_TEST_SUITE_P(Loops, EndlessFlags, testing::Values("bare", "counts", "sums", "calls"),
                         [](const auto& loop) { return std::string(loop.param); });

class EndedLoops : public InterruptedGuest {};

// A strip passes no detour; everything else must: the loop over strips, the exact loop, and what is behind them.
TEST_F(EndedLoops, AreStoppedWhetherTheFlagIsOnOrOff) {
  constexpr std::string_view reading = R"((module
    (import "host" "begun" (func $begun)) (import "flags" "f" (func $flag (result i32))) (memory 1)
    (global $sum (mut i64) (i64.const 0))
    (func $sum_bytes (param $n i64) (local $i i64) (local $s i64)
      (loop $again
        (local.set $s (i64.add (local.get $s) (i64.load8_u (i32.wrap_i64 (i64.and (local.get $i) (i64.const 65535))))))
        (if (call $flag) (then (local.set $s (i64.mul (local.get $s) (i64.const 31)))))
        (local.set $i (i64.add (local.get $i) (i64.const 1)))
        (br_if $again (i64.lt_u (local.get $i) (local.get $n))))
      (global.set $sum (local.get $s)))
    (func $end (loop $again (global.set $sum (i64.rotl (global.get $sum) (i64.const 7)))
        (if (i64.eqz (global.get $sum)) (then (global.set $sum (i64.const 1)))) (br $again)))
    (func (export "long") (call $begun) (call $sum_bytes (i64.const 0x4000000000000000)))
    (func (export "behind_long") (call $begun) (call $sum_bytes (i64.const 3000)) (call $end))
    (func (export "behind_short") (local $i i32) (call $begun)
      (loop $again
        (if (call $flag) (then (global.set $sum (i64.mul (global.get $sum) (i64.const 31)))))
        (global.set $sum (i64.add (global.get $sum) (i64.const 5)))
        (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 8))))
      (call $end))))";
  const auto bytes = must(runtime::assemble(reading, "m.wat"));
  define_begun(linker);
  Instance instance = must(linker.instantiate(
      must(Module::load(*engine, *flags, bytes, {.name = "m.wat", .tier = runtime::Tier::Optimising}))));
  const runtime::InterruptHandle handle = store.interrupt_handle();
  for (const bool on : {false, true}) {
    must(flags->set("f", on));
    for (const char* const name : {"long", "behind_long", "behind_short"}) {
      SCOPED_TRACE(std::string(name) + (on ? ", on" : ", off"));
      begun = 0;
      Runner runner(instance, name);
      await([&] { return begun > 0; });
      std::this_thread::sleep_for(5ms);  // it is in a loop
      ASSERT_TRUE(handle.cancel());
      EXPECT_NE(runner.outcome().find("interrupted"), std::string::npos);  // else: the test's time limit
      ASSERT_TRUE(handle.clear());
    }
  }
}

}  // namespace
}  // namespace shunt::test
