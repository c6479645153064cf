// Detours keep what the guest computes with: registers, flags, floats, stack.
#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cstring>
#include <utility>

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
  ;; No call, so that every register holds a local at the site.
  (func (export "leaf") (param $n i32) (result i64)
    (local $i0 i64) (local $i1 i64) (local $i2 i64) (local $i3 i64) (local $i4 i64) (local $i5 i64) (local $i6 i64) (local $i7 i64) (local $i8 i64) (local $i9 i64) (local $i10 i64) (local $i11 i64) (local $i12 i64) (local $i13 i64)
    (local $f0 f64) (local $f1 f64) (local $f2 f64) (local $f3 f64) (local $f4 f64) (local $f5 f64) (local $f6 f64) (local $f7 f64) (local $f8 f64) (local $f9 f64) (local $f10 f64) (local $f11 f64) (local $f12 f64) (local $f13 f64)
    (local.set $i0 (i64.const 712544676207699905)) (local.set $f0 (f64.const 0.5))
    (local.set $i1 (i64.const 272167847808552834)) (local.set $f1 (f64.const 1.5))
    (local.set $i2 (i64.const 984712524016252739)) (local.set $f2 (f64.const 2.5))
    (local.set $i3 (i64.const 544335695617105668)) (local.set $f3 (f64.const 3.5))
    (local.set $i4 (i64.const 103958867217958597)) (local.set $f4 (f64.const 4.5))
    (local.set $i5 (i64.const 816503543425658502)) (local.set $f5 (f64.const 5.5))
    (local.set $i6 (i64.const 376126715026511431)) (local.set $f6 (f64.const 6.5))
    (local.set $i7 (i64.const 1088671391234211336)) (local.set $f7 (f64.const 7.5))
    (local.set $i8 (i64.const 648294562835064265)) (local.set $f8 (f64.const 8.5))
    (local.set $i9 (i64.const 207917734435917194)) (local.set $f9 (f64.const 9.5))
    (local.set $i10 (i64.const 920462410643617099)) (local.set $f10 (f64.const 10.5))
    (local.set $i11 (i64.const 480085582244470028)) (local.set $f11 (f64.const 11.5))
    (local.set $i12 (i64.const 39708753845322957)) (local.set $f12 (f64.const 12.5))
    (local.set $i13 (i64.const 752253430053022862)) (local.set $f13 (f64.const 13.5))
    (loop
      (local.set $i0 (i64.add (i64.rotl (local.get $i0) (i64.const 3)) (local.get $i1)))
      (local.set $f0 (f64.sub (f64.mul (local.get $f0) (f64.const 0.5)) (local.get $f1)))
      (local.set $i1 (i64.add (i64.rotl (local.get $i1) (i64.const 4)) (local.get $i2)))
      (local.set $f1 (f64.sub (f64.mul (local.get $f1) (f64.const 0.5)) (local.get $f2)))
      (local.set $i2 (i64.add (i64.rotl (local.get $i2) (i64.const 5)) (local.get $i3)))
      (local.set $f2 (f64.sub (f64.mul (local.get $f2) (f64.const 0.5)) (local.get $f3)))
      (local.set $i3 (i64.add (i64.rotl (local.get $i3) (i64.const 6)) (local.get $i4)))
      (local.set $f3 (f64.sub (f64.mul (local.get $f3) (f64.const 0.5)) (local.get $f4)))
      (local.set $i4 (i64.add (i64.rotl (local.get $i4) (i64.const 7)) (local.get $i5)))
      (local.set $f4 (f64.sub (f64.mul (local.get $f4) (f64.const 0.5)) (local.get $f5)))
      (local.set $i5 (i64.add (i64.rotl (local.get $i5) (i64.const 8)) (local.get $i6)))
      (local.set $f5 (f64.sub (f64.mul (local.get $f5) (f64.const 0.5)) (local.get $f6)))
      (local.set $i6 (i64.add (i64.rotl (local.get $i6) (i64.const 9)) (local.get $i7)))
      (local.set $f6 (f64.sub (f64.mul (local.get $f6) (f64.const 0.5)) (local.get $f7)))
      (local.set $i7 (i64.add (i64.rotl (local.get $i7) (i64.const 10)) (local.get $i8)))
      (local.set $f7 (f64.sub (f64.mul (local.get $f7) (f64.const 0.5)) (local.get $f8)))
      (local.set $i8 (i64.add (i64.rotl (local.get $i8) (i64.const 11)) (local.get $i9)))
      (local.set $f8 (f64.sub (f64.mul (local.get $f8) (f64.const 0.5)) (local.get $f9)))
      (local.set $i9 (i64.add (i64.rotl (local.get $i9) (i64.const 12)) (local.get $i10)))
      (local.set $f9 (f64.sub (f64.mul (local.get $f9) (f64.const 0.5)) (local.get $f10)))
      (local.set $i10 (i64.add (i64.rotl (local.get $i10) (i64.const 13)) (local.get $i11)))
      (local.set $f10 (f64.sub (f64.mul (local.get $f10) (f64.const 0.5)) (local.get $f11)))
      (local.set $i11 (i64.add (i64.rotl (local.get $i11) (i64.const 14)) (local.get $i12)))
      (local.set $f11 (f64.sub (f64.mul (local.get $f11) (f64.const 0.5)) (local.get $f12)))
      (local.set $i12 (i64.add (i64.rotl (local.get $i12) (i64.const 15)) (local.get $i13)))
      (local.set $f12 (f64.sub (f64.mul (local.get $f12) (f64.const 0.5)) (local.get $f13)))
      (local.set $i13 (i64.add (i64.rotl (local.get $i13) (i64.const 16)) (local.get $i0)))
      (local.set $f13 (f64.sub (f64.mul (local.get $f13) (f64.const 0.5)) (local.get $f0)))
      (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i64.xor (i64.xor (i64.xor (i64.xor (i64.xor (i64.xor (i64.xor (i64.xor (i64.xor (i64.xor (i64.xor (i64.xor (i64.xor (i64.xor (i64.xor (i64.xor (i64.xor (i64.xor (i64.xor (i64.xor (i64.xor (i64.xor (i64.xor (i64.xor (i64.xor (i64.xor (i64.xor (i64.xor (i64.const 0) (local.get $i0))
    (i64.rotl (i64.reinterpret_f64 (local.get $f0)) (i64.const 0))) (local.get $i1))
    (i64.rotl (i64.reinterpret_f64 (local.get $f1)) (i64.const 1))) (local.get $i2))
    (i64.rotl (i64.reinterpret_f64 (local.get $f2)) (i64.const 2))) (local.get $i3))
    (i64.rotl (i64.reinterpret_f64 (local.get $f3)) (i64.const 3))) (local.get $i4))
    (i64.rotl (i64.reinterpret_f64 (local.get $f4)) (i64.const 4))) (local.get $i5))
    (i64.rotl (i64.reinterpret_f64 (local.get $f5)) (i64.const 5))) (local.get $i6))
    (i64.rotl (i64.reinterpret_f64 (local.get $f6)) (i64.const 6))) (local.get $i7))
    (i64.rotl (i64.reinterpret_f64 (local.get $f7)) (i64.const 7))) (local.get $i8))
    (i64.rotl (i64.reinterpret_f64 (local.get $f8)) (i64.const 8))) (local.get $i9))
    (i64.rotl (i64.reinterpret_f64 (local.get $f9)) (i64.const 9))) (local.get $i10))
    (i64.rotl (i64.reinterpret_f64 (local.get $f10)) (i64.const 10))) (local.get $i11))
    (i64.rotl (i64.reinterpret_f64 (local.get $f11)) (i64.const 11))) (local.get $i12))
    (i64.rotl (i64.reinterpret_f64 (local.get $f12)) (i64.const 12))) (local.get $i13))
    (i64.rotl (i64.reinterpret_f64 (local.get $f13)) (i64.const 13))))
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

// Has as many doubles in registers at the same time: all are read before the first is written.
template <std::size_t... Each>
void use_float_registers(volatile double* values, std::index_sequence<Each...>) {
  const std::array<double, sizeof...(Each)> all = {(values[Each] + static_cast<double>(Each))...};
  const auto write = [values](std::size_t at, double value) { values[at] = value; };
  (write(sizeof...(Each) - 1 - Each, all[sizeof...(Each) - 1 - Each] * 0.25 + all[Each] * 0.25), ...);
}

class Detours : public InterruptedGuest {
 protected:
  // Each is 8 sites; in optimised code, where LLVM inlines, and unrolls by two, one.
  const std::uint32_t rounds = tier_under_test() == runtime::Tier::Optimising ? 1'100'000 : 150'000;
  std::uint64_t mix(Instance& instance) const {
    const std::vector<Value> arguments{{ValueType::I32, rounds}};
    return bits(instance.call("mix", arguments)) ^ bits(instance.call("leaf", arguments));
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
  std::array<volatile double, 24> noise{};
  store.on_yield([&]() -> Status {
    ++yields;
    use_float_registers(noise.data(), std::make_index_sequence<24>());
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

// A loop that the optimising tier vectorises, with sums in whole vector registers across its site. The C library uses
// such registers too, and clears their upper halves.
TEST_F(Detours, KeepWholeVectorRegisters) {
  Instance instance = instantiate(R"((module (memory 1)
    (func (export "fill") (param $at i32)
      (loop
        (i32.store (local.get $at) (i32.mul (local.get $at) (i32.const 0x9e3779b1)))
        (br_if 0 (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 4))) (i32.const 65536)))))
    (func (export "sum") (param $n i32) (result i32) (local $at i32) (local $s i32)
      (loop
        (local.set $s (i32.add (local.get $s) (i32.load (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 4)))
        (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (local.get $s))))");
  ASSERT_TRUE(instance.call("fill", std::vector<Value>{{ValueType::I32, 0}}));
  const std::vector<Value> all{{ValueType::I32, 16384}};
  std::uint32_t expected = 0;
  for (std::uint32_t at = 0; at < 65536; at += 4) expected += at * 0x9e3779b1;
  ASSERT_EQ(bits(instance.call("sum", all)), expected);
  std::uint64_t yields = 0;
  std::array<char, 4096> from{}, to{};
  store.on_yield([&]() -> Status {
    from.fill(static_cast<char>(++yields));
    std::memcpy(to.data(), from.data(), from.size());
    std::atomic_ref(store.state().execution.interrupted).fetch_or(yield_bit);
    return Ok{};
  });
  ASSERT_TRUE(key_of(instance).acquire(*engine));
  ASSERT_TRUE(store.interrupt_handle().request_yield());
  EXPECT_EQ(bits(instance.call("sum", all)), expected);
  EXPECT_GT(yields, 100U);
  EXPECT_EQ(to.back(), from.back());
  ASSERT_TRUE(key_of(instance).release(*engine));
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
  Store small = must(Store::create({.stack_bytes = 128 << 10}));
  Linker its_linker(small);
  Instance instance = must(its_linker.instantiate(must(load(R"((module
    (func $down (export "down") (param i32) (result i32)
      (if (result i32) (local.get 0)
        (then (i32.add (i32.const 1) (call $down (i32.sub (local.get 0) (i32.const 1)))))
        (else (loop) (i32.const 0))))))"))));
  const auto down = [&](std::uint32_t depth) {
    return failure(instance.call("down", std::vector<Value>{{ValueType::I32, depth}}));
  };
  std::uint32_t fits = 1, too_deep = 1'000'000;
  while (too_deep - fits > 1) {
    const std::uint32_t middle = (fits + too_deep) / 2;
    (down(middle) == "returned" ? fits : too_deep) = middle;
  }
  small.on_yield([&]() -> Status {
    std::atomic_ref(small.state().execution.interrupted).fetch_or(yield_bit);
    return Ok{};
  });
  ASSERT_TRUE(key_of(instance).acquire(*engine));
  for (const bool into_the_host : {false, true}) {
    int trapped = 0;
    for (std::uint32_t depth = fits; depth > fits - 100; --depth) {
      if (into_the_host) {
        ASSERT_TRUE(small.interrupt_handle().request_yield());
      }
      const std::string outcome = down(depth);
      if (outcome == "returned") continue;
      ++trapped;
      ASSERT_EQ(outcome.substr(0, 33), "Trap: m.wat: call stack exhausted") << depth;
    }
    EXPECT_GT(trapped, 0);
    EXPECT_LT(trapped, 60) << "a detour takes far more stack than it says";
    ASSERT_TRUE(small.interrupt_handle().clear());
  }
  small.on_yield({});
  EXPECT_EQ(down(fits - 100), "returned");
  ASSERT_TRUE(key_of(instance).release(*engine));
}

TEST_F(Detours, AreNotThereWhereTheyAreNotWanted) {
  const std::vector<std::uint8_t> bytes = must(runtime::assemble(mixer, "m.wat"));
  const Module with = must(Module::load(*engine, *flags, bytes, {.name = "m.wat"}));
  const Module without = must(Module::load(*engine, *flags, bytes, {.name = "m.wat", .interruptible = false}));
  EXPECT_EQ(with.stats().sites, 5U) << "three loops, two functions that call";
  const std::vector<runtime::ModuleSite> sites = with.sites(*engine);
  ASSERT_EQ(sites.size(), 5U);
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
