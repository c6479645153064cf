// Detours keep what the guest computes with: registers, flags, floats, stack.
#include <gtest/gtest.h>

#include <array>
#include <bit>

#include "tests/runtime/wasm/control/interrupted_guest.h"

namespace shunt::test {
namespace {

constexpr std::uint32_t yield_bit = 2;

// Uses many registers of both classes, values on the operand stack, and calls, across the sites.
constexpr std::string_view mixer = R"((module
  (memory 1)
  (func $leaf (param i64 f64) (result i64) (local i64)
    (local.set 2 (i64.const 5))
    (loop
      (local.set 0 (i64.xor (i64.rotl (local.get 0) (i64.const 7)) (i64.reinterpret_f64 (local.get 1))))
      (local.set 1 (f64.mul (local.get 1) (f64.const 0.999)))
      (br_if 0 (i64.ne (i64.const 0) (local.tee 2 (i64.sub (local.get 2) (i64.const 1))))))
    (local.get 0))
  (func $calls (param i64 f64 f32 i32) (result i64)
    (i64.add (call $leaf (local.get 0) (local.get 1))
             (i64.extend_i32_u (i32.add (local.get 3) (i32.reinterpret_f32 (local.get 2))))))
  (func (export "mix") (param $n i32) (result i64)
    (local $a i64) (local $b i64) (local $c i32) (local $d i32) (local $e i64)
    (local $x f64) (local $y f64) (local $z f32) (local $w f32) (local $v f64)
    (local.set $a (i64.const 0x123456789abcdef)) (local.set $b (i64.const -3)) (local.set $c (i32.const 77))
    (local.set $d (i32.const -5)) (local.set $e (i64.const 1)) (local.set $x (f64.const 1.5))
    (local.set $y (f64.const -0.25)) (local.set $z (f32.const 3.25)) (local.set $w (f32.const 0.5))
    (local.set $v (f64.const 1e10))
    (loop
      (local.set $a (i64.add (local.get $a) (call $calls (local.get $b) (local.get $x) (local.get $z) (local.get $c))))
      (local.set $b (i64.mul (local.get $a) (i64.const 6364136223846793005)))
      (local.set $c (i32.add (i32.rotl (local.get $c) (i32.const 3)) (local.get $d)))
      (local.set $d (i32.xor (local.get $d) (i32.wrap_i64 (local.get $b))))
      (local.set $e (i64.shr_u (i64.add (local.get $e) (local.get $b)) (i64.const 1)))
      (local.set $x (f64.add (f64.mul (local.get $x) (f64.const 0.5)) (local.get $y)))
      (local.set $y (f64.sub (local.get $y) (f64.sqrt (f64.abs (local.get $v)))))
      (local.set $z (f32.div (f32.add (local.get $z) (local.get $w)) (f32.const 1.25)))
      (local.set $w (f32.neg (f32.add (local.get $w) (f32.const 0.125))))
      (local.set $v (f64.mul (local.get $v) (f64.const 0.75)))
      (i64.store (i32.and (local.get $c) (i32.const 0xfff8)) (local.get $a))
      (local.set $a (i64.xor (local.get $a) (i64.load (i32.and (local.get $d) (i32.const 0xfff8)))))
      (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i64.xor (i64.xor (local.get $a) (local.get $e))
      (i64.xor (i64.xor (i64.reinterpret_f64 (local.get $x)) (i64.reinterpret_f64 (local.get $y)))
               (i64.xor (i64.extend_i32_u (i32.reinterpret_f32 (f32.add (local.get $z) (local.get $w))))
                        (i64.extend_i32_u (i32.xor (local.get $c) (local.get $d))))))))
)";

class Detours : public InterruptedGuest {
 protected:
  static constexpr std::uint32_t rounds = 150'000;  // of 7 sites
  static std::uint64_t mix(Instance& instance) {
    return bits(instance.call("mix", std::vector<Value>{{ValueType::I32, rounds}}));
  }
};

TEST_F(Detours, TakenAMillionTimesForSomebodyElseChangeNothing) {
  Instance first = instantiate(mixer);
  const std::uint64_t expected = mix(first);
  Instance second = instantiate(mixer);
  ASSERT_TRUE(key_of(second).acquire(*engine));
  EXPECT_EQ(mix(second), expected);
  ASSERT_TRUE(key_of(second).release(*engine));
}

TEST_F(Detours, TakenAMillionTimesIntoTheHostChangeNothing) {
  Instance first = instantiate(mixer);
  const std::uint64_t expected = mix(first);
  Instance second = instantiate(mixer);
  std::uint64_t yields = 0;
  std::array<double, 24> noise{};
  store.on_yield([&]() -> Status {
    ++yields;
    for (std::size_t i = 0; i < noise.size(); ++i) {  // uses registers of its own
      noise[i] = noise[i] * 1.0001 + noise[(i * 7 + 3) % noise.size()] + static_cast<double>(yields);
    }
    std::atomic_ref(store.state().execution.interrupted).fetch_or(yield_bit);  // and so at the next site
    return Ok{};
  });
  ASSERT_TRUE(key_of(second).acquire(*engine));
  ASSERT_TRUE(store.interrupt_handle().request_yield());
  EXPECT_EQ(mix(second), expected);
  EXPECT_GE(yields, 1'000'000U);
  EXPECT_GT(noise[5], 0);
  ASSERT_TRUE(key_of(second).release(*engine));
}

// On and off while it runs, by another thread.
TEST_F(Detours, ComeAndGoUnderARunningGuest) {
  Instance first = instantiate(mixer);
  const std::uint64_t expected = mix(first);
  std::atomic<bool> done{false};
  std::vector<Instance> instances;
  for (int i = 0; i < 20; ++i) instances.push_back(instantiate(mixer));
  std::thread flipper([&] {
    std::size_t at = 0;
    while (!done) {
      StaticKey& key = key_of(instances[at++ % instances.size()]);
      EXPECT_TRUE(key.acquire(*engine));
      EXPECT_TRUE(key.release(*engine));
    }
  });
  for (Instance& instance : instances) EXPECT_EQ(mix(instance), expected);
  done = true;
  flipper.join();
}

// Where the stack ends, a detour is a trap of the guest like any call: at every depth.
TEST_F(Detours, NearTheStacksEndTrap) {
  Instance instance = instantiate(R"((module
    (func $down (export "down") (param i32) (result i32)
      (if (result i32) (local.get 0)
        (then (i32.add (i32.const 1) (call $down (i32.sub (local.get 0) (i32.const 1)))))
        (else (loop) (i32.const 0))))))");
  const auto down = [&](std::uint32_t depth) {
    return failure(instance.call("down", std::vector<Value>{{ValueType::I32, depth}}));
  };
  std::uint32_t fits = 1, too_deep = 1'000'000;
  while (too_deep - fits > 1) {
    const std::uint32_t middle = (fits + too_deep) / 2;
    (down(middle) == "returned" ? fits : too_deep) = middle;
  }
  store.on_yield([&]() -> Status {
    std::atomic_ref(store.state().execution.interrupted).fetch_or(yield_bit);
    return Ok{};
  });
  ASSERT_TRUE(key_of(instance).acquire(*engine));
  for (const bool into_the_host : {false, true}) {
    int trapped = 0;
    for (std::uint32_t depth = fits; depth > fits - 100; --depth) {
      if (into_the_host) {
        ASSERT_TRUE(store.interrupt_handle().request_yield());
      }
      const std::string outcome = down(depth);
      if (outcome == "returned") continue;
      ++trapped;
      ASSERT_EQ(outcome.substr(0, 33), "Trap: m.wat: call stack exhausted") << depth;
    }
    EXPECT_GT(trapped, 0);
    EXPECT_LT(trapped, 60) << "a detour takes far more stack than it says";
    ASSERT_TRUE(store.interrupt_handle().clear());
  }
  store.on_yield({});
  EXPECT_EQ(down(fits - 100), "returned");
  ASSERT_TRUE(key_of(instance).release(*engine));
}

TEST_F(Detours, AreNotThereWhereTheyAreNotWanted) {
  const std::vector<std::uint8_t> bytes = must(runtime::assemble(mixer, "m.wat"));
  const Module with = must(Module::load(*engine, *flags, bytes, {.name = "m.wat"}));
  const Module without = must(Module::load(*engine, *flags, bytes, {.name = "m.wat", .interruptible = false}));
  EXPECT_EQ(with.stats().sites, 4U) << "two loops, two functions that call";
  const std::vector<runtime::ModuleSite> sites = with.sites(*engine);
  ASSERT_EQ(sites.size(), 4U);
  for (const runtime::ModuleSite& site : sites) {
    EXPECT_TRUE(site.interrupts);
    EXPECT_TRUE(site.flag.empty());
    EXPECT_GT(site.module_offset, 0U);
  }
  EXPECT_EQ(without.stats().sites, 0U);
  Instance instance = must(linker.instantiate(without));
  Instance interruptible = must(linker.instantiate(with));
  EXPECT_EQ(mix(instance), mix(interruptible));
}

}  // namespace
}  // namespace shunt::test
