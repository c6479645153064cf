// A breakpoint at every operation changes no result, and versions come and go without a trace.
#include "tests/runtime/wasm/breakpoints/debugged_guest.h"
#include "tests/runtime/wasm/breakpoints/in_every_function.h"

namespace shunt::test {
namespace {

// Exports that use all kinds of operations; `run` mixes their results.
constexpr std::string_view varied = R"((module
  (import "flags" "fast" (func $fast (result i32)))
  (import "flags" "limit" (func $limit (result i64)))
  (memory 1)
  (table $t 4 funcref)
  (elem (i32.const 0) $leaf $swap2)
  (data $bytes "\01\02\03\04\05\06\07\08")
  (global $count (mut i32) (i32.const 0))
  (type $unary (func (param i32) (result i32)))
  (func $leaf (type $unary) (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (i32.xor (local.get 0) (i32.shl (local.get 0) (i32.const 2))))
  (func $swap2 (type $unary) (i32.rotl (local.get 0) (i32.const 16)))
  (func $pair (param i32 f64) (result f64 i32) (local.get 1) (local.get 0))
  (func $switch (param i32) (result i32)
    (block $d (block $c (block $b (block $a (br_table $a $b $c $d (local.get 0)))
      (return (i32.const 10))) (return (i32.const 20))) (return (i32.const 30)))
    (i32.const 40))
  (func $flagged (param i32) (result i32)
    (if (result i32) (call $fast) (then (i32.mul (local.get 0) (i32.const 3))) (else (i32.wrap_i64 (call $limit)))))
  (func $floats (param f64 f32) (result f64) (local $i i32)
    (loop $again
      (local.set 0 (f64.sqrt (f64.abs (f64.add (f64.mul (local.get 0) (f64.const 1.25)) (f64.promote_f32 (local.get 1))))))
      (local.set 1 (f32.min (f32.neg (f32.demote_f64 (local.get 0))) (f32.const 0x1p-2)))
      (local.set 0 (select (local.get 0) (f64.abs (local.get 0)) (f64.lt (local.get 0) (f64.const 2))))
      (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 20))))
    (local.get 0))
  (func $memory (param i32) (result i64) (local i64)
    (memory.init $bytes (i32.const 16) (i32.const 0) (i32.const 8))
    (memory.copy (i32.const 40) (i32.const 17) (i32.const 6))
    (i32.store8 (i32.add (local.get 0) (i32.const 41)) (i32.load16_u offset=2 (i32.const 14)))
    (i64.store (i32.const 64) (i64.rotr (i64.load (i32.const 16)) (i64.const 13)))
    (i64.add (i64.load (i32.const 40)) (i64.load32_s (i32.const 64))))
  (func $sums (param i32 i32) (result i32)
    (local.get 0) (local.get 1)
    (loop (param i32 i32) (result i32)
      (local.set 1) (local.set 0)
      (if (result i32) (i32.eqz (local.get 0))
        (then (local.get 1))
        (else (i32.sub (local.get 0) (i32.const 1)) (i32.add (local.get 1) (local.get 0)) (br 1)))))
  (func (export "run") (param i32) (result i64) (local $f f64) (local $x i64) (local $i i32)
    (loop $more
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (call $pair (i32.mul (local.get $i) (i32.const 7)) (f64.convert_i32_u (local.get $i)))
      (local.set 0 (i32.add (local.get 0)))
      (local.set $f (call $floats (f32.convert_i32_s (local.get 0))))
      (local.set $x (i64.add (i64.mul (local.get $x) (i64.const 31)) (i64.reinterpret_f64 (local.get $f))))
      (local.set $x (i64.xor (local.get $x) (i64.extend_i32_u
        (call_indirect $t (type $unary) (local.get 0) (i32.and (local.get $i) (i32.const 1))))))
      (local.set $x (i64.add (local.get $x) (i64.extend_i32_u (call $switch (i32.and (local.get $i) (i32.const 3))))))
      (local.set $x (i64.add (local.get $x) (i64.extend_i32_u (call $flagged (local.get $i)))))
      (local.set $x (i64.rotl (i64.add (local.get $x) (call $memory (i32.and (local.get $i) (i32.const 3)))) (i64.const 5)))
      (local.set $x (i64.add (local.get $x) (i64.extend_i32_u (call $sums (local.get $i) (i32.const 5)))))
      (br_if $more (i32.lt_u (local.get $i) (i32.const 25))))
    (i64.add (local.get $x) (i64.extend_i32_u (i32.add (global.get $count) (i32.div_s (local.get 0) (i32.const 3)))))))
)";

class BreakpointsEverywhere : public DebuggedGuest {
 protected:
  void set_flags(bool fast, std::int64_t limit) {
    must(flags->set("fast", fast));
    must(flags->set("limit", limit));
  }
  std::uint64_t run(const Module& module) {
    Instance instance = must(linker.instantiate(module));
    return bits(instance.call("run", std::vector{Value::i32(3)}));
  }
  // One at each operation of each function.
  static std::vector<Breakpoint> everywhere(const Module& module) {
    std::vector<Breakpoint> breakpoints;
    const wasm::ModuleData& data = *module.state()->data;
    for (std::uint32_t function = data.imported_functions; function < data.functions.size(); ++function) {
      const std::string name = data.display_name(function);
      for (const std::uint32_t offset : must(Breakpoint::operations(module, name))) {
        breakpoints.push_back(must(Breakpoint::set(module, {name, offset}, resume)));
      }
    }
    return breakpoints;
  }
};

TEST_F(BreakpointsEverywhere, ChangeNoResult) {
  for (const auto& [fast, limit] : {std::pair(true, 0), std::pair(false, 1234567), std::pair(false, 0)}) {
    set_flags(fast, limit);
    const Module module = load_debuggable(varied);
    const std::uint64_t expected = run(module);
    for (const BreakpointAction action : {BreakpointAction::Resume, BreakpointAction::Step}) {
      const std::vector<Breakpoint> entries = breakpoints_in_every_function(module, action);
      EXPECT_EQ(run(module), expected) << fast << " " << limit;
    }
    {
      const std::vector<Breakpoint> all = everywhere(module);
      EXPECT_EQ(run(module), expected) << fast << " " << limit;
      std::size_t hit = 0;
      for (const Breakpoint& breakpoint : all) hit += breakpoint.hits() != 0 ? 1 : 0;
      EXPECT_GT(hit, 150u);
    }
    EXPECT_EQ(run(module), expected) << fast << " " << limit;
  }
}

// A function in its debug version reads flags as they are now.
TEST_F(BreakpointsEverywhere, FlagsAreSeenToFlip) {
  set_flags(false, 0);
  const Module module = load_debuggable(varied);
  const std::vector<Breakpoint> entries = breakpoints_in_every_function(module, BreakpointAction::Resume);
  std::vector<std::uint64_t> debugged, plain;
  const std::vector<std::pair<bool, std::int64_t>> states = {{false, 0}, {true, 0}, {false, 1234567}};
  for (const auto& [fast, limit] : states) {
    set_flags(fast, limit);
    debugged.push_back(run(module));
    plain.push_back(run(load_debuggable(varied)));
  }
  EXPECT_EQ(debugged, plain);
  EXPECT_NE(debugged[0], debugged[1]);
  EXPECT_NE(debugged[0], debugged[2]);
}

TEST_F(BreakpointsEverywhere, SetAndClearedAThousandTimesLeaveNothing) {
  set_flags(true, 1234567);
  const Module module = load_debuggable(varied);
  Instance instance = must(linker.instantiate(module));
  const std::uint64_t expected = bits(instance.call("run", std::vector{Value::i32(3)}));
  const auto counts = [&] {
    const EngineStats stats = engine->stats();
    return std::vector{stats.code_bytes_used, stats.keys, stats.sites};
  };
  (void)at(module, "flagged", 0, resume);  // reads the flag as a number, by a key that stays with the flag
  const std::vector<std::uint64_t> before = counts();
  constexpr int cycles = 1000;
  for (int cycle = 0; cycle < cycles; ++cycle) {
    const Breakpoint first = at(module, "flagged", 0, resume);
    const Breakpoint second = at(module, "leaf", static_cast<std::size_t>(cycle) % 5, resume);
    if (cycle % 100 == 0) {
      Instance other = must(linker.instantiate(module));
      EXPECT_EQ(bits(other.call("run", std::vector{Value::i32(3)})), expected);
      EXPECT_EQ(first.hits(), 25u);
    }
  }
  EXPECT_EQ(module.state()->breakpoints->collect({}), 0u);
  EXPECT_EQ(counts(), before);
}

}  // namespace
}  // namespace shunt::test
