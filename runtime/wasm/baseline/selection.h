// What the baseline compiler asks of an instruction set. The compiler decides where values are and what is fused; a
// selection emits the instructions. All of it but the selection is the same on every instruction set.
//
// Conventions of the operations:
//  - `dst` may be the register of any input. Inputs are never modified otherwise, except that a Memory operand is
//  loaded once.
//  - A result register that differs from `dst` is returned where an instruction set fixes it.
//  - An i32 in a general register is zero-extended, always.
//  - A Condition says how to read the processor flags that the last instruction set, once; moves, loads, stores and
//  Scratch keep flags.
#pragma once

#include <asmjit/core.h>

#include <concepts>
#include <cstdint>
#include <span>

#include "runtime/wasm/baseline/baseline.h"
#include "runtime/wasm/baseline/frame_layout.h"
#include "runtime/wasm/baseline/op_info.h"
#include "runtime/wasm/baseline/operand.h"

namespace shunt::wasm::baseline {

// A site's stub, which is emitted behind the function, and where it goes back to, which is for the caller to bind.
struct DetourStub {
  asmjit::Label stub, resume;
};

template <class S>
concept Selection = requires(S s, const S cs, Reg reg, Operand value, Scratch& scratch, asmjit::Label label,
                             std::span<const asmjit::Label> labels, typename S::Condition condition, ValueType type,
                             bool wide, std::int32_t frame, std::uint32_t number, std::uint64_t bits,
                             const OpInfo& info, const FrameLayout& layout, RegSet registers, const void* address,
                             std::int32_t* counter) {
  // --- what the instruction set has ---
  { S::roles } -> std::convertible_to<RegisterRoles>;
  { S::context } -> std::convertible_to<Reg>;  // holds the VmContext*
  { S::red_zone } -> std::convertible_to<std::uint32_t>;
  { S::folds_loads } -> std::convertible_to<bool>;  // instructions can have a Memory operand
  // Frame words that saving these registers, and in a function that makes calls the return address, takes.
  { S::saved_words(registers, wide) } -> std::same_as<std::uint32_t>;

  // --- positions ---
  { s.assembler() } -> std::convertible_to<asmjit::BaseAssembler&>;
  { cs.offset() } -> std::same_as<std::uint32_t>;
  s.at(number);  // following instructions belong to the operation at this offset of the module
  { s.new_label() } -> std::same_as<asmjit::Label>;
  s.bind(label);
  s.jump(label);
  s.branch(condition, label);
  s.branch_table(reg, labels, label, reg);  // index, targets, default; both registers may be overwritten
  s.trap(TrapCode::Unreachable);

  // --- frames ---
  s.enter_function(layout, registers);
  s.leave_function(layout, registers);  // and returns
  s.finish_function();                  // out-of-line parts
  {
    s.incoming(layout, registers, number)
  } -> std::same_as<std::int32_t>;  // frame offset of a word of the caller's area
  s.zero_frame(frame, number);      // words

  // --- moves ---
  s.move(type, reg, value);
  s.store_frame(type, frame, value);  // a register or a constant
  s.frame_address(reg);               // from which frame offsets count: the stack pointer
  s.exchange(reg, reg);
  s.load_field(type, reg, reg, frame);  // [base + offset]
  s.store_field(type, reg, frame, value, scratch);

  s.load_absolute(type, reg, reg, address);  // acquires a 64-bit word; the second register is scratch for float results

  // --- linear memory; the index register may be invalid ---
  s.load(info, reg, reg, bits, scratch);
  s.store(info, reg, bits, value, scratch);

  // --- integers ---
  { s.int_binary(IntBinary::Add, wide, reg, value, value, scratch) } -> std::same_as<Reg>;
  { s.divide(IntBinary::DivS, wide, reg, value, value, scratch) } -> std::same_as<Reg>;
  s.add_scaled(wide, reg, reg, reg, number);  // dst = base + (index << shift), shift 1 to 3
  s.int_unary(IntUnary::Clz, wide, reg, value, scratch);
  { s.compare(IntCompare::Eq, wide, value, value, scratch) } -> std::same_as<typename S::Condition>;
  { s.test(wide, value, scratch) } -> std::same_as<typename S::Condition>;              // not zero
  { s.test_bits(wide, value, value, scratch) } -> std::same_as<typename S::Condition>;  // a & b not zero
  { S::negate(condition) } -> std::same_as<typename S::Condition>;
  s.set(condition, reg);
  s.select(condition, type, reg, value, value, scratch);  // dst = condition ? first : second

  // --- floats ---
  { s.compare(FloatCompare::Eq, type, value, value, scratch) } -> std::same_as<typename S::Condition>;
  s.float_binary(FloatBinary::Add, type, reg, value, value, scratch);
  s.float_unary(FloatUnary::Abs, type, reg, value, scratch);

  // --- conversions ---
  s.extend(wide, reg, value);  // i32 to i64: signed or not
  s.wrap(reg, value);
  s.truncate(info, reg, reg, scratch);
  s.convert(info, reg, value, scratch);
  s.resize_float(type, reg, value);  // to this type
  s.reinterpret(type, reg, value);   // to this type

  // --- counting ---
  s.count_down(counter);  // of 32 bits, not atomic; where flags and temporaries that hold no argument are dead

  // --- leaving for optimised code, when the registers have no other use any more than the values that they hold ---
  {
    s.open_slots(layout, number)
  } -> std::same_as<std::int32_t>;    // words below the frame; how many bytes that moves it
  s.call_loop_entry(layout, number);  // the one that the site's stub names (entry_stubs.h), with these slots
  s.close_slots(layout, number);

  // --- detours ---
  s.align_loop();  // so that a site's one instruction needs no padding; what is emitted falls through
  { s.add_detour() } -> std::same_as<DetourStub>;
  { s.add_trace(number) } -> std::same_as<DetourStub>;  // of an event; where the flags are dead

  // --- calls ---
  s.call(label);
  s.call_import(number, layout);
  { s.function_reference(value, number, number, scratch) } -> std::same_as<Reg>;  // index, table, canonical type
  s.call_reference(reg, layout);
  s.call_builtin(Builtin::MemoryGrow);
  { S::builtin_arguments } -> std::convertible_to<std::array<Reg, 4>>;
};

}  // namespace shunt::wasm::baseline
