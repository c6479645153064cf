// Functions that become hot while they run, with the real compiler. SHUNT_STRESS_SECONDS bounds the stress test.
#include <unistd.h>

#include <atomic>
#include <bit>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <thread>

#include "runtime/wasm/module/module_state.h"
#include "tests/runtime/wasm/instance/guest_fixture.h"

namespace shunt::test {
namespace {

using Clock = std::chrono::steady_clock;

// fib by recursion, and a sum over memory through a table: calls in both tiers, loops, traps.
const char* const guest = R"((module (memory 1) (table 2 funcref) (elem (i32.const 0) $square $half)
    (type $one (func (param i32) (result i32)))
    (func $square (param i32) (result i32) (i32.mul (local.get 0) (local.get 0)))
    (func $half (param i32) (result i32) (i32.shr_u (local.get 0) (i32.const 1)))
    (func $fib (export "fib") (param i32) (result i32)
      (if (result i32) (i32.lt_u (local.get 0) (i32.const 2)) (then (local.get 0))
        (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
                       (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
    (func (export "sum") (param i32) (result i32) (local $i i32) (local $sum i32)
      (loop $again
        (i32.store (i32.shl (i32.and (local.get $i) (i32.const 255)) (i32.const 2)) (local.get $i))
        (local.set $sum (i32.add (local.get $sum)
          (call_indirect (type $one) (i32.load (i32.shl (i32.and (local.get $i) (i32.const 255)) (i32.const 2)))
            (i32.and (local.get $i) (i32.const 1)))))
        (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get 0))))
      (local.get $sum))
    (func (export "beyond") (param i32) (result i32) (i32.load (local.get 0)))
    (func (export "long") (param i32) (result i64) (local $i i32) (local $sum i64)
      (loop $outer
        (local.set $i (i32.const 1000))
        (loop $inner
          (local.set $sum (i64.add (i64.rotl (local.get $sum) (i64.const 1)) (i64.extend_i32_u (local.get $i))))
          (br_if $inner (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
        (br_if $outer (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
      (local.get $sum))))";

std::uint32_t expected_sum(std::uint32_t count) {
  std::uint32_t sum = 0;
  for (std::uint32_t i = 0; i < count; ++i) sum += i % 2 == 0 ? i * i : i / 2;
  return sum;
}

std::uint64_t expected_long(std::uint32_t turns) {
  std::uint64_t sum = 0;
  for (std::uint32_t turn = 0; turn < turns; ++turn) {
    for (std::uint32_t i = 1000; i != 0; --i) sum = std::rotl(sum, 1) + i;
  }
  return sum;
}

class TierUpTest : public GuestTest {
 protected:
  Module load_auto(const char* text = guest, std::uint32_t hot_count = runtime::ModuleOptions().hot_count) {
    const std::vector<std::uint8_t> bytes = must(runtime::assemble(text, "m.wat"));
    return must(
        Module::load(*engine, *flags, bytes, {.name = "m.wat", .tier = runtime::Tier::Auto, .hot_count = hot_count}));
  }
};

TEST_F(TierUpTest, HotFunctionsAreCompiledWhileTheyRun) {
  const Module module = load_auto();
  Instance instance = must(linker.instantiate(module));
  EXPECT_EQ(module.tier_stats().optimised, 0u) << "nothing has run";
  const Clock::time_point end = Clock::now() + std::chrono::seconds(60);
  while (module.tier_stats().optimised < 4 && Clock::now() < end) {
    ASSERT_EQ(bits(instance.call("fib", std::vector{Value::i32(15)})), 610u);
    ASSERT_EQ(bits(instance.call("sum", std::vector{Value::i32(1000)})), expected_sum(1000));
  }
  EXPECT_EQ(module.tier_stats().optimised, 4u) << "all but the one that was not called";
  EXPECT_EQ(module.tier_stats().failed, 0u);
  EXPECT_EQ(bits(instance.call("fib", std::vector{Value::i32(20)})), 6765u);
  EXPECT_EQ(bits(instance.call("sum", std::vector{Value::i32(5000)})), expected_sum(5000));
}

// --- loops ---

// Until `done`, or for so long that something is wrong.
bool await(const std::function<bool()>& done) {
  const Clock::time_point end = Clock::now() + std::chrono::seconds(60);
  while (!done()) {
    if (Clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

TEST_F(TierUpTest, ACallThatNeverEndsMovesOver) {
  const Module module = load_auto(R"((module (memory 1)
      (func (export "spin") (result i64) (local $n i64)
        (loop $again
          (local.set $n (i64.add (local.get $n) (i64.const 2)))
          (br_if $again (i32.eqz (i32.load8_u (i32.const 0)))))
        (local.get $n))))");
  Instance instance = must(linker.instantiate(module));
  std::uint64_t turns = 0;
  std::thread running([&] { turns = bits(instance.call("spin")); });
  EXPECT_TRUE(await([&] { return module.tier_stats().loop_entries != 0; })) << "it stays in the baseline";
  EXPECT_EQ(module.tier_stats().loops, 1u);
  std::atomic_ref(instance.memory().view(0, 1)->front()).store(1);
  running.join();
  EXPECT_EQ(module.tier_stats().loop_entries, 1u);
  EXPECT_GT(turns, 10'000u);
  EXPECT_EQ(turns % 2, 0u);
}

TEST_F(TierUpTest, ACallThatNeverEndsIsStoppedWhereItMovedTo) {
  const Module module = load_auto(R"((module (global $odd (mut i32) (i32.const 0))
      (func (export "spin")
        (loop $again
          (if (global.get $odd) (then (global.set $odd (i32.const 0))) (else (global.set $odd (i32.const 1))))
          (br $again)))))");
  Instance instance = must(linker.instantiate(module));
  std::string outcome;
  std::thread running([&] { outcome = failure(instance.call("spin")); });
  EXPECT_TRUE(await([&] { return module.tier_stats().loop_entries == 1; })) << "it stays in the baseline";
  EXPECT_TRUE(store.interrupt_handle().cancel("enough"));
  running.join();
  EXPECT_TRUE(outcome.starts_with("Interrupted: m.wat: interrupted: enough")) << outcome;
}

// By many calls a function becomes hot whose loops are short. One call goes on and on.
TEST_F(TierUpTest, ACallThatWasLeftBehindMovesOverLater) {
  const Module* loaded = nullptr;
  std::uint64_t outer = 0;
  linker.define_function("env", "turn", {{}, {ValueType::I32}},
                         [&](Caller caller, std::span<const Value>, std::span<Value> results) -> Status {
                           const auto optimised = [&] { return loaded->tier_stats().optimised == 1; };
                           for (int i = 0; outer == 0 && i < 1'000'000 && !optimised(); ++i) {
                             must(caller.instance().call("run", std::vector{Value::i32(0)}));
                           }
                           EXPECT_EQ(loaded->tier_stats().failed, 0u);
                           if (outer == 0) {
                             EXPECT_EQ(loaded->tier_stats().loops, 0u) << "one turn a call is not worth one";
                           }
                           ++outer;
                           // Leaves the thread that compiles some time, so that the test ends early.
                           if (outer % 64 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
                           results[0] = Value::i32(outer < 1'000'000 && loaded->tier_stats().loop_entries == 0 ? 1 : 0);
                           return Ok{};
                         });
  const Module module = load_auto(R"((module (import "env" "turn" (func $turn (result i32)))
      (func (export "run") (param i32) (result i32) (local $n i32)
        (loop $again
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br_if $again (if (result i32) (local.get 0) (then (call $turn)) (else (i32.const 0)))))
        (local.get $n))))",
                                  100);
  loaded = &module;
  Instance instance = must(linker.instantiate(module));
  EXPECT_EQ(bits(instance.call("run", std::vector{Value::i32(1)})), outer);
  EXPECT_EQ(module.tier_stats().loop_entries, 1u);
  EXPECT_GE(outer, 100u);
}

// --- stress ---

// Where stress tests are to run for long (10 s in test.sh), this one does for 20 s.
std::chrono::seconds stress_time() {
  constexpr int is_long = 10;
  constexpr int least = 20;
  const char* const text = std::getenv("SHUNT_STRESS_SECONDS");
  const int asked = text == nullptr ? 2 : std::max(1, std::atoi(text));
  return std::chrono::seconds(asked >= is_long ? std::max(asked, least) : asked);
}

// Of the process, that is in memory.
std::size_t resident_kib() {
  std::ifstream status("/proc/self/statm");
  std::size_t all = 0;
  std::size_t resident = 0;
  status >> all >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) / 1024;
}

// Four threads compare results while all functions are thrown back to the baseline again and again, and become hot
// again.
TEST_F(TierUpTest, ResultsHoldWhileFunctionsGoBackAndForth) {
  const Module module = load_auto();
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> calls{0}, wrong{0};
  constexpr std::uint32_t long_turns = 2000;  // long enough that calls are under way when its function becomes hot
  const std::uint64_t long_result = expected_long(long_turns);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      Store own = must(Store::create());
      Linker own_linker(own);
      Instance instance = must(own_linker.instantiate(module));
      while (!stop) {
        const bool right = bits(instance.call("fib", std::vector{Value::i32(15)})) == 610 &&
                           bits(instance.call("sum", std::vector{Value::i32(1000)})) == expected_sum(1000) &&
                           bits(instance.call("long", std::vector{Value::i32(long_turns)})) == long_result &&
                           failure(instance.call("beyond", std::vector{Value::i32(65536)}))
                               .starts_with("Trap: m.wat: out of bounds memory access in function beyond at byte 0x");
        if (!right) ++wrong;
        ++calls;
      }
    });
  }
  const std::vector<std::uint32_t> all = {0, 1, 2, 3, 4, 5};
  std::size_t rounds = 0;
  std::size_t most_code = 0;
  const Clock::time_point begin = Clock::now();
  const Clock::time_point end = begin + stress_time();
  std::size_t memory_at_first = 0;  // when a tenth of the time is over
  while (Clock::now() < end) {
    while (module.tier_stats().optimised < 4 && Clock::now() < end)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    most_code = std::max(most_code, module.tier_stats().code_bytes);
    ASSERT_TRUE(module.state()->tiers->revert(all));
    ++rounds;
    if (memory_at_first == 0 && Clock::now() - begin > stress_time() / 10) memory_at_first = resident_kib();
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  const runtime::TierStats stats = module.tier_stats();
  std::cout << rounds << " rounds, " << calls << " calls, " << stats.loop_entries << " moved over in a loop, at most "
            << most_code << " bytes of optimised code; " << memory_at_first << " KiB resident in the beginning, "
            << resident_kib() << " in the end\n";
  if (memory_at_first != 0) {  // the heap of the compiler settles, and grows by arenas
    EXPECT_LT(resident_kib(), memory_at_first + memory_at_first / 4 + 16 * 1024) << "memory is not flat";
  }
  EXPECT_EQ(stats.failed, 0u);
  EXPECT_GT(stats.loop_entries, 0u);
  EXPECT_EQ(wrong, 0u);
  EXPECT_GT(rounds, 1u);
  EXPECT_LT(most_code, std::size_t{1} << 20) << "what was thrown away is not freed";
}

}  // namespace
}  // namespace shunt::test
