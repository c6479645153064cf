// How the baseline leaves a loop for optimised code: with code that is written in C++, on every machine.
#include <algorithm>
#include <array>
#include <cstring>

#include "tests/runtime/wasm/tiers/moving_guest.h"
#include "tests/runtime/wasm/tiers/written_by_hand.h"

namespace shunt::test {
namespace {

class LoopEntry : public TiersTest {
 protected:
  std::unique_ptr<MovingGuest> guest(const std::string& text) {
    return std::make_unique<MovingGuest>(*engine, *flags, store, linker, must(runtime::assemble(text, "m.wat")),
                                         &take_written);
  }
};

// What came in slots, of which so many are looked at.
std::array<std::uint64_t, 64> seen;
std::size_t wanted;

void look_at(std::uint64_t* slots, std::size_t count) {
  seen = {};
  std::copy(slots, slots + count, seen.begin());
}

std::uint64_t word(double value) {
  return std::bit_cast<std::uint64_t>(value);
}
std::uint64_t word(float value) {
  return std::bit_cast<std::uint32_t>(value);
}

// --- what comes ---

TEST_F(LoopEntry, LocalsOfEachTypeComeAndTheResultGoes) {
  written["f"] = nullptr;
  written_loops["f"] = [](VmContext*, std::uint64_t* slots) {
    look_at(slots, 5);
    slots[0] = word(2.5);
  };
  const auto f = guest(R"((module (func $f (export "f") (param i32 i64) (result f64) (local f32 f64 i32)
      (local.set 2 (f32.const 1.5)) (local.set 3 (f64.const -7.25))
      (loop $again
        (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
        (local.set 1 (i64.rotl (local.get 1) (i64.const 8)))
        (local.set 2 (f32.neg (local.get 2)))
        (br_if $again (local.get 0)))
      (f64.add (f64.promote_f32 (local.get 2)) (f64.add (local.get 3) (f64.convert_i64_u (local.get 1)))))))");
  const std::vector<Value> arguments = {Value::i32(10), Value::i64(0x0123'4567'89ab'cdef)};
  EXPECT_EQ(bits(f->call("f", arguments, 3)), word(2.5));
  EXPECT_TRUE(f->has_moved());
  // The first site is before the call, the second at the first turn: the third turn is where it moves.
  EXPECT_EQ(static_cast<std::uint32_t>(seen[0]), 8u);
  EXPECT_EQ(seen[1], 0x4567'89ab'cdef'0123u);
  EXPECT_EQ(static_cast<std::uint32_t>(seen[2]), word(1.5F));
  EXPECT_EQ(seen[3], word(-7.25));
}

// More locals than registers of each class, in a function that calls nothing: some are below the stack pointer.
std::string many_locals(const char* type, const char* kind, unsigned count, bool calls) {
  std::string text = "(module (func $nothing) (func $f (export \"f\") (param i32) (result i32)";
  const auto local = [](unsigned i) { return std::to_string(i + 1); };
  for (unsigned i = 0; i < count; ++i) text += std::string(" (local ") + type + ")";
  for (unsigned i = 0; i < count; ++i) {
    text += "(local.set " + local(i) + " (" + type + ".const " + std::to_string(3 * i + 1) + "))";
  }
  text += "(loop $again ";
  if (calls) text += "(call $nothing)";
  for (unsigned i = 0; i < count; ++i) {
    text +=
        "(local.set " + local(i) + " (" + type + "." + kind + " (local.get " + local(i) + ") (" + type + ".const 1)))";
  }
  return text + "(br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (local.get 0)))";
}

TEST_F(LoopEntry, LocalsComeFromRegistersAndFromTheFrame) {
  constexpr unsigned count = 40;
  written["f"] = nullptr;
  written_loops["f"] = [](VmContext*, std::uint64_t* slots) {
    look_at(slots, wanted);
    slots[0] = 77;
  };
  for (const bool calls : {false, true}) {
    for (const unsigned locals : {9U, count}) {
      wanted = locals + 1;
      const auto whole = guest(many_locals("i64", "add", locals, calls));
      EXPECT_EQ(bits(whole->call("f", {Value::i32(9)}, 4)), 77u);
      for (unsigned i = 0; i < locals; ++i)
        EXPECT_EQ(seen[i + 1] - (3 * i + 1), 9u - static_cast<std::uint32_t>(seen[0]));
      const auto floating = guest(many_locals("f64", "add", locals, calls));
      EXPECT_EQ(bits(floating->call("f", {Value::i32(9)}, 4)), 77u);
      for (unsigned i = 0; i < locals; ++i) {
        EXPECT_EQ(std::bit_cast<double>(seen[i + 1]),
                  3 * i + 1 + 9.0 - static_cast<double>(static_cast<std::uint32_t>(seen[0])));
      }
    }
  }
}

TEST_F(LoopEntry, TheOperandStackComes) {
  written["f"] = nullptr;
  written_loops["f"] = [](VmContext*, std::uint64_t* slots) {
    look_at(slots, 8);
    slots[0] = 5;
  };
  const auto f = guest(R"((module (func $f (export "f") (param i32) (result i64) (local i64)
      (local.set 1 (i64.const 100))
      (i64.const 11)
      (i64.add (local.get 1) (i64.const 1))
      (f32.const 0.5)
      (i64.const 7)
      (f64.convert_i32_u (local.get 0))
      (loop $again (param i64 f64) (result i64)
        (drop) (i64.const 1) (i64.add) (f64.const 9)
        (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))
        (drop))
      (local.set 1) (drop) (i64.add) (i64.add (local.get 1)))))");
  EXPECT_EQ(bits(f->call("f", {Value::i32(6)}, 4)), 5u);
  const std::uint64_t turns = 6 - static_cast<std::uint32_t>(seen[0]);
  EXPECT_EQ(turns, 3u);
  EXPECT_EQ(seen[2], 11u);
  EXPECT_EQ(seen[3], 101u);
  EXPECT_EQ(static_cast<std::uint32_t>(seen[4]), word(0.5F));
  EXPECT_EQ(seen[5], 7 + turns);
  EXPECT_EQ(seen[6], word(9.0));
  EXPECT_EQ(bits(f->call("f", {Value::i32(6)}, std::nullopt)), 11u + 101 + 13) << "in the baseline";
}

// --- what goes ---

TEST_F(LoopEntry, ManyResultsGoWhereTheCallerExpectsThem) {
  written["f"] = nullptr;
  written_loops["f"] = [](VmContext*, std::uint64_t* slots) {
    slots[0] = 1;
    slots[1] = word(2.5F);
    slots[2] = 3;
    slots[3] = word(4.5);
    slots[4] = word(5.5);
  };
  const auto f = guest(R"((module
      (func $f (param i32 i64 i64 i64 i64 i64 i64 i64) (result i32 f32 i64 f64 f64)
        (loop $again (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (i32.const 0) (f32.const 0) (i64.const 0) (f64.const 0) (f64.const 0))
      (func (export "g") (param i32) (result i32 f32 i64 f64 f64)
        (call $f (local.get 0) (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6)
          (i64.const 7)))))");
  const std::vector<Value> results = must(f->call("g", {Value::i32(5)}, 3));
  ASSERT_EQ(results.size(), 5u);
  EXPECT_EQ(results[0].bits, 1u);
  EXPECT_EQ(results[1].bits, word(2.5F));
  EXPECT_EQ(results[2].bits, 3u);
  EXPECT_EQ(results[3].bits, word(4.5));
  EXPECT_EQ(results[4].bits, word(5.5));
}

void leave_worn(VmContext*, std::uint64_t* slots) {
  slots[0] = wear_registers(slots[0]) ? 0 : 1;
}

// The caller's locals are in registers that $worn, which has few, does not save.
TEST_F(LoopEntry, WhatTheCallerKeepsInRegistersIsKept) {
  written["worn"] = nullptr;
  written_loops["worn"] = &leave_worn;
  const auto f = guest(R"((module
      (func $worn (param i32) (result i32)
        (loop $again (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (local.get 0))
      (func (export "run") (param i32) (result f64)
        (local $a i64) (local $b i64) (local $c i64) (local $d i64) (local $e i64) (local $f i64)
        (local $p f64) (local $q f64) (local $r f64) (local $s f64) (local $t f64) (local $u f64) (local $v f64)
        (local $w f64)
        (local.set $a (i64.const 1)) (local.set $b (i64.const 2)) (local.set $c (i64.const 4))
        (local.set $d (i64.const 8)) (local.set $e (i64.const 16)) (local.set $f (i64.const 32))
        (local.set $p (f64.const 0.5)) (local.set $q (f64.const 64)) (local.set $r (f64.const 128))
        (local.set $s (f64.const 256)) (local.set $t (f64.const 512)) (local.set $u (f64.const 1024))
        (local.set $v (f64.const 2048)) (local.set $w (f64.const 4096))
        (local.set $a (i64.add (local.get $a) (i64.extend_i32_u (call $worn (local.get 0)))))
        (f64.add (f64.convert_i64_u (i64.add (i64.add (i64.add (local.get $a) (local.get $b))
                   (i64.add (local.get $c) (local.get $d))) (i64.add (local.get $e) (local.get $f))))
          (f64.add (f64.add (f64.add (local.get $p) (local.get $q)) (f64.add (local.get $r) (local.get $s)))
                   (f64.add (f64.add (local.get $t) (local.get $u)) (f64.add (local.get $v) (local.get $w)))))))
  )");
  EXPECT_EQ(bits(f->call("run", {Value::i32(5)}, 4)), word(63 + 8128.5));
  EXPECT_TRUE(f->has_moved());
}

// --- which loops ---

TEST_F(LoopEntry, ALoopWithoutAnEntryGoesOn) {
  written["f"] = nullptr;
  written_loops["f"] = [](VmContext*, std::uint64_t* slots) { slots[0] = 1000 + static_cast<std::uint32_t>(slots[1]); };
  const auto f = guest(R"((module (func $f (export "f") (param i32) (result i32) (local $i i32) (local $sum i32)
      (local.set $i (local.get 0))
      (loop $first
        (local.set $sum (i32.add (local.get $sum) (i32.const 1)))
        (br_if $first (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
      (local.set $i (local.get 0))
      (loop $second
        (local.set $sum (i32.add (local.get $sum) (i32.const 1)))
        (br_if $second (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
      (local.get $sum))))");
  f->loops().erase(f->loops().begin());
  EXPECT_EQ(f->loops().size(), 1u);
  EXPECT_EQ(bits(f->call("f", {Value::i32(6)}, 2)), 1006u) << "in the first turn of the second loop";
  EXPECT_EQ(f->stats().loops, 1u);
  f->loops().clear();
  EXPECT_EQ(bits(f->call("f", {Value::i32(6)}, 2)), 12u) << "there is none";
  EXPECT_EQ(f->stats().loops, 0u);
}

TEST_F(LoopEntry, LoopsThatNobodyReachesHaveNone) {
  const auto f = guest(R"((module (func (export "f") (param i32) (result i32)
      (loop $again (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
      (return (local.get 0))
      (loop $never (br $never)))))");
  EXPECT_EQ(f->loops().size(), 1u);
}

// A frame of more words than are copied.
TEST_F(LoopEntry, AFunctionWithVeryManyLocalsStays) {
  std::string text = "(module (func $f (export \"f\") (param i32) (result i32)";
  for (int i = 0; i < 5000; ++i) text += " (local i32)";
  text +=
      "(local.set 5000 (i32.const 7)) (loop $again (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))"
      "(local.get 5000)))";
  written["f"] = nullptr;
  const auto f = guest(text);
  EXPECT_EQ(f->module().state()->code->loop_heads.size(), 1u);
  EXPECT_EQ(f->loops().size(), 0u);
  EXPECT_EQ(bits(f->call("f", {Value::i32(4)}, 2)), 7u);
}

}  // namespace
}  // namespace shunt::test
