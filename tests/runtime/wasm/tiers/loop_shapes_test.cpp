// Calls that go on in what LLVM made of the rest of their function, from every loop's head that they come to.
#include <algorithm>
#include <chrono>
#include <thread>

#include "tests/runtime/wasm/tiers/moving_guest.h"

namespace shunt::test {
namespace {

// What a call did: its results or its error, and the memory and the globals that it left behind.
struct Outcome {
  std::string what;
  std::vector<std::uint8_t> memory;
  std::uint64_t global = 0;
  bool operator==(const Outcome&) const = default;
};

class LoopShapes : public GuestTest {
 protected:
  static Outcome outcome(MovingGuest& guest, const Result<std::vector<Value>>& results) {
    Outcome outcome;
    if (results) {
      for (const Value& value : *results) outcome.what += std::to_string(value.bits) + " ";
    } else {
      outcome.what = results.error().message();
    }
    if (guest.instance().global("g")) outcome.global = guest.instance().global("g")->bits;
    const std::span<const std::uint8_t> bytes = guest.instance().memory().bytes();
    outcome.memory.assign(bytes.begin(), bytes.end());
    return outcome;
  }

  std::unique_ptr<MovingGuest> guest(const std::string& text) {
    return std::make_unique<MovingGuest>(*engine, *flags, store, linker, must(runtime::assemble(text, "m.wat")),
                                         &wasm::compile_optimised);
  }

  // Runs the export "f", which may use memory and a global "g", in the baseline; then so that it moves at its first
  // site, at its second, and so on up to `most`, or to its end.
  void expect_same(const std::string& text, const std::vector<Value>& arguments, unsigned most = 12) {
    const std::unique_ptr<MovingGuest> guest = this->guest(text);
    const auto run = [&](std::optional<unsigned> site) {
      (void)guest->instance().set_global("g", Value::i32(0));
      if (const auto memory = guest->instance().memory().view(0, 65536)) std::ranges::fill(*memory, 0);
      return outcome(*guest, guest->call("f", arguments, site));
    };
    const Outcome expected = run(std::nullopt);
    std::uint64_t entered = 0;
    for (unsigned site = 1; site <= most; ++site) {
      const Outcome moved = run(site);
      if (!guest->has_moved()) break;
      EXPECT_EQ(moved.what, expected.what) << "moved at site " << site;
      EXPECT_TRUE(moved == expected) << "memory or the global, moved at site " << site;
      EXPECT_EQ(guest->stats().loops, guest->loops().size());
      EXPECT_GE(guest->stats().loop_entries, entered);
      entered = guest->stats().loop_entries;
      ++moves;
    }
    EXPECT_GT(entered, 0u) << "no loop was entered";
    entries += entered;
  }

  unsigned moves = 0;
  std::uint64_t entries = 0;
};

TEST_F(LoopShapes, OneLoopOfALeaf) {
  expect_same(R"((module (memory 1) (func (export "f") (param i32 i64) (result f64) (local f32 f64)
      (local.set 2 (f32.const 1.5)) (local.set 3 (f64.const -7.25))
      (loop $again
        (local.set 1 (i64.rotl (i64.add (local.get 1) (i64.const 3)) (i64.const 9)))
        (local.set 2 (f32.mul (local.get 2) (f32.const 1.125)))
        (local.set 3 (f64.add (local.get 3) (f64.promote_f32 (local.get 2))))
        (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
      (f64.add (f64.convert_i64_s (local.get 1)) (local.get 3)))))",
              {Value::i32(20), Value::i64(0x1234'5678'9abc'def0)});
  EXPECT_EQ(entries, moves) << "each move enters once";
}

// Each loop's head, from within the loops around it.
TEST_F(LoopShapes, NestedLoops) {
  expect_same(R"((module (memory 1) (func (export "f") (param i32) (result i64)
      (local $i i32) (local $j i32) (local $k i32) (local $sum i64)
      (loop $outer
        (local.set $j (i32.const 0))
        (local.set $sum (i64.mul (local.get $sum) (i64.const 3)))
        (loop $middle
          (local.set $sum (i64.add (local.get $sum) (i64.const 1)))
          (local.set $k (i32.const 0))
          (loop $inner
            (local.set $sum (i64.add (i64.rotl (local.get $sum) (i64.const 1)) (i64.extend_i32_u (local.get $k))))
            (i32.store8 (local.get $k) (i32.add (i32.load8_u (local.get $k)) (local.get $i)))
            (br_if $inner (i32.lt_u (local.tee $k (i32.add (local.get $k) (i32.const 1))) (i32.const 3))))
          (local.set $sum (i64.xor (local.get $sum) (i64.extend_i32_u (local.get $j))))
          (br_if $middle (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1))) (i32.const 2))))
        (br_if $outer (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get 0))))
      (local.get $sum))))",
              {Value::i32(3)}, 24);
  EXPECT_EQ(moves, 24u);
}

TEST_F(LoopShapes, LoopsWithParametersAndOperandsBelow) {
  expect_same(R"((module (memory 1) (func (export "f") (param i32) (result i64) (local $n i32) (local $s i64)
      (local.set $n (local.get 0))
      (i64.const 1000)
      (i64.mul (i64.extend_i32_u (local.get 0)) (i64.const 17))
      (f64.const 0.5) (i64.const 3) (f32.const 2)
      (loop $outer (param f64 i64 f32) (result f64)
        (local.set $s (i64.extend_i32_u (local.get $n)))
        (drop)
        (i64.add (i64.const 5))
        (local.get $s)
        (loop $inner (param i64 i64) (result i64)
          (i64.add) (i64.const 1)
          (br_if $inner (i64.ne (i64.const 0) (local.tee $s (i64.sub (local.get $s) (i64.const 1)))))
          (drop))
        (local.set $s)
        (f64.add (f64.convert_i64_s (local.get $s)))
        (local.get $s) (f32.const 4)
        (br_if $outer (local.tee $n (i32.sub (local.get $n) (i32.const 1))))
        (drop) (drop))
      (i64.trunc_f64_s) (i64.add) (i64.add))))",
              {Value::i32(4)}, 16);
}

TEST_F(LoopShapes, LoopsInArmsAndBranchesOutOfThem) {
  expect_same(R"((module (memory 1) (global $g (export "g") (mut i32) (i32.const 0))
      (func (export "f") (param i32) (result i32 i64) (local $i i32) (local $n i32) (local $sum i64)
      (loop $outer
        (block $out
          (if (i32.and (local.get $i) (i32.const 1))
            (then
              (local.set $n (i32.const 3))
              (loop $a
                (global.set $g (i32.add (global.get $g) (local.get $n)))
                (br_if $out (i32.gt_u (local.get $i) (i32.const 5)))
                (br_if $a (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
            (else
              (local.set $n (i32.const 0))
              (loop $b
                (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (local.get $n))))
                (block $two (block $one (block $zero
                  (br_table $zero $one $two (i32.and (local.get $n) (i32.const 3))))
                  (local.set $n (i32.add (local.get $n) (i32.const 1))) (br $b))
                  (local.set $n (i32.add (local.get $n) (i32.const 1))) (br $b)))))
          (local.set $sum (i64.mul (local.get $sum) (i64.const 7))))
        (if (i32.eq (local.get $i) (i32.const 9))
          (then (return (global.get $g) (local.get $sum))))
        (br_if $outer (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get 0))))
      (i32.const 1) (i64.const 2))))",
              {Value::i32(20)}, 30);
  EXPECT_EQ(moves, 30u);
}

TEST_F(LoopShapes, AnIfAroundALoopHasAResult) {
  expect_same(R"((module (memory 1) (func (export "f") (param i32) (result i32) (local $n i32)
      (local.set $n (i32.const 4))
      (i32.add (i32.const 100)
        (if (result i32) (local.get 0)
          (then (loop $a (result i32) (local.get $n)
            (br_if $a (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
          (else (loop $b (result i32) (i32.const 7)
            (br_if $b (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))))))",
              {Value::i32(1)});
  expect_same(R"((module (memory 1) (func (export "f") (param i32) (result i32) (local $n i32)
      (local.set $n (i32.const 4))
      (i32.add (i32.const 100)
        (if (result i32) (local.get 0)
          (then (i32.const 1))
          (else (loop $b (result i32) (i32.const 7)
            (br_if $b (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))))))",
              {Value::i32(0)});
}

// Of which each but the last never ends by itself.
TEST_F(LoopShapes, LoopsWithoutAnEnd) {
  expect_same(R"((module (memory 1) (func (export "f") (param i32) (result i32) (local $i i32)
      (loop $forever
        (loop $inner
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br_if $inner (i32.and (local.get $i) (i32.const 3))))
        (if (i32.gt_u (local.get $i) (local.get 0)) (then (return (local.get $i))))
        (br $forever))
      (unreachable))))",
              {Value::i32(20)}, 20);
}

TEST_F(LoopShapes, LoopsThatCall) {
  int calls = 0;
  linker.define_function("env", "host", {{ValueType::I32}, {ValueType::I32}},
                         [&](Caller, std::span<const Value> arguments, std::span<Value> results) -> Status {
                           ++calls;
                           results[0] = Value::i32(static_cast<std::uint32_t>(arguments[0].bits) + 1);
                           return Ok{};
                         });
  expect_same(R"((module (import "env" "host" (func $host (param i32) (result i32))) (memory 1) (table 2 funcref)
      (elem (i32.const 0) $twice $thrice) (type $one (func (param i32) (result i32)))
      (func $twice (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
      (func $thrice (param i32) (result i32) (local $n i32)
        (local.set $n (i32.const 2))
        (loop $again (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (i32.mul (local.get 0) (i32.const 3)))
      (func $deep (param i32) (result i32)
        (if (result i32) (local.get 0)
          (then (i32.add (i32.const 1) (call $deep (i32.sub (local.get 0) (i32.const 1)))))
          (else (call $host (i32.const 0)))))
      (func (export "f") (param i32) (result i32) (local $i i32) (local $sum i32)
        (loop $again
          (local.set $sum (i32.add (local.get $sum) (call $host (local.get $i))))
          (local.set $sum (call_indirect (type $one) (local.get $sum) (i32.and (local.get $i) (i32.const 1))))
          (local.set $sum (i32.add (local.get $sum) (call $deep (local.get $i))))
          (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get 0))))
        (local.get $sum))))",
              {Value::i32(6)}, 40);
  EXPECT_GT(calls, 0);
}

// --- traps ---

TEST_F(LoopShapes, TrapsSayWhereAndLeaveWhatWasStored) {
  const auto trapping = [](const std::string& how) {
    return R"((module (memory 1) (table 1 funcref) (type $t (func)) (global $g (export "g") (mut i32) (i32.const 0))
      (func $again (param i32) (result i32) (i32.add (i32.const 1) (call $again (local.get 0))))
      (func (export "f") (param i32) (result i32) (local $i i32)
        (loop $loop
          (global.set $g (i32.add (global.get $g) (i32.const 1)))
          (i32.store (i32.shl (local.get $i) (i32.const 2)) (local.get $i))
          (if (i32.eq (local.get $i) (i32.const 9)) (then )" +
           how + R"())
          (br_if $loop (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get 0))))
        (local.get $i))))";
  };
  const std::vector<Value> arguments = {Value::i32(100)};
  expect_same(trapping("(unreachable)"), arguments, 4);
  expect_same(trapping("(drop (i32.load (i32.const 65536)))"), arguments, 4);
  expect_same(trapping("(drop (i32.div_u (local.get $i) (i32.sub (local.get $i) (i32.const 9))))"), arguments, 4);
  expect_same(trapping("(call_indirect (type $t) (i32.const 0))"), arguments, 4);
}

// The baseline's frames are small, those of the loop's rest are below them.
TEST_F(LoopShapes, TheStackEndsInEitherTier) {
  const auto f = guest(R"((module (memory 1)
      (func $f (export "f") (param i32) (result i32) (local $i i32)
        (loop $loop
          (if (i32.eq (local.get $i) (i32.const 5)) (then (drop (call $f (local.get 0)))))
          (br_if $loop (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get 0))))
        (local.get $i))))");
  for (const unsigned site : {2U, 3U, 9U, 50U}) {
    const std::string message = failure(f->call("f", {Value::i32(100)}, site));
    EXPECT_TRUE(message.starts_with("Trap: m.wat: call stack exhausted")) << message;
    EXPECT_EQ(bits(f->call("f", {Value::i32(3)}, site)), 3u) << "the instance goes on";
  }
  EXPECT_GT(f->stats().loop_entries, 0u);
}

// --- the version's end ---

TEST_F(LoopShapes, AVersionLivesAsLongAsACallIsInIt) {
  MovingGuest* moving = nullptr;
  int turns = 0;
  linker.define_function("env", "turn", {{}, {}}, [&](Caller, std::span<const Value>, std::span<Value>) -> Status {
    if (++turns != 8) return Ok{};
    const std::vector<std::uint32_t> f = {1};
    EXPECT_EQ(moving->stats().loop_entries, 1u);
    EXPECT_TRUE(moving->tiers().revert(f));
    std::thread([&] { EXPECT_EQ(must(moving->tiers().collect(std::chrono::milliseconds(20))), 1u); }).join();
    EXPECT_GT(moving->stats().code_bytes, 0u);
    return Ok{};
  });
  const auto f = guest(R"((module (import "env" "turn" (func $turn)) (memory 1)
      (func (export "f") (param i32) (result i32) (local $n i32)
        (loop $again
          (call $turn)
          (local.set $n (i32.add (local.get $n) (i32.const 3)))
          (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (local.get $n))))");
  moving = f.get();
  EXPECT_EQ(bits(f->call("f", {Value::i32(12)}, 4)), 36u);
  EXPECT_EQ(turns, 12);
  EXPECT_EQ(must(f->tiers().collect({})), 0u);
  EXPECT_EQ(f->stats().code_bytes, 0u);
}

// --- flags ---

TEST_F(LoopShapes, AFlipIsSeenBehindTheMove) {
  int turns = 0;
  linker.define_function("env", "turn", {{}, {}}, [&](Caller, std::span<const Value>, std::span<Value>) -> Status {
    if (++turns == 6) must(flags->set("fast", true));
    return Ok{};
  });
  const auto f = guest(R"((module (import "flags" "fast" (func $fast (result i32))) (import "env" "turn" (func $turn))
      (memory 1)
      (func (export "f") (param i32) (result i32) (local $sum i32)
        (loop $again
          (call $turn)
          (if (call $fast) (then (local.set $sum (i32.add (local.get $sum) (i32.const 1)))))
          (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (local.get $sum))))");
  for (const unsigned site : {2U, 4U, 9U}) {
    must(flags->set("fast", false));
    turns = 0;
    EXPECT_EQ(bits(f->call("f", {Value::i32(10)}, site)), 5u) << site;
    EXPECT_TRUE(f->has_moved());
  }
  EXPECT_EQ(f->stats().loop_entries, 3u);
}

}  // namespace
}  // namespace shunt::test
