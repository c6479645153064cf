// Functions that become hot while they run, with the real compiler. SHUNT_STRESS_SECONDS bounds the stress test.
#include <atomic>
#include <chrono>
#include <cstdlib>
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
    (func (export "beyond") (param i32) (result i32) (i32.load (local.get 0)))))";

std::uint32_t expected_sum(std::uint32_t count) {
  std::uint32_t sum = 0;
  for (std::uint32_t i = 0; i < count; ++i) sum += i % 2 == 0 ? i * i : i / 2;
  return sum;
}

class TierUpTest : public GuestTest {
 protected:
  Module load_auto() {
    const std::vector<std::uint8_t> bytes = must(runtime::assemble(guest, "m.wat"));
    return must(Module::load(*engine, *flags, bytes, {.name = "m.wat", .tier = runtime::Tier::Auto}));
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

std::chrono::milliseconds stress_time() {
  const char* const text = std::getenv("SHUNT_STRESS_SECONDS");
  return std::chrono::milliseconds(1000 * (text == nullptr ? 2 : std::max(1, std::atoi(text))));
}

// Four threads compare results while all functions are thrown back to the baseline again and again, and become hot
// again.
TEST_F(TierUpTest, ResultsHoldWhileFunctionsGoBackAndForth) {
  const Module module = load_auto();
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> calls{0}, wrong{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      Store own = must(Store::create());
      Linker own_linker(own);
      Instance instance = must(own_linker.instantiate(module));
      while (!stop) {
        const bool right = bits(instance.call("fib", std::vector{Value::i32(15)})) == 610 &&
                           bits(instance.call("sum", std::vector{Value::i32(1000)})) == expected_sum(1000) &&
                           failure(instance.call("beyond", std::vector{Value::i32(65536)}))
                               .starts_with("Trap: m.wat: out of bounds memory access in function beyond at byte 0x");
        if (!right) ++wrong;
        ++calls;
      }
    });
  }
  const std::vector<std::uint32_t> all = {0, 1, 2, 3, 4};
  std::size_t rounds = 0;
  std::size_t most_code = 0;
  const Clock::time_point end = Clock::now() + stress_time();
  while (Clock::now() < end) {
    while (module.tier_stats().optimised < 4 && Clock::now() < end)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    most_code = std::max(most_code, module.tier_stats().code_bytes);
    ASSERT_TRUE(module.state()->tiers->revert(all));
    ++rounds;
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  std::cout << rounds << " rounds, " << calls << " calls, at most " << most_code << " bytes of optimised code\n";
  EXPECT_EQ(wrong, 0u);
  EXPECT_GT(rounds, 1u);
  EXPECT_LT(most_code, std::size_t{1} << 20) << "what was thrown away is not freed";
}

}  // namespace
}  // namespace shunt::test
