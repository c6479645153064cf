// Instruction selection for arm64 (Armv8.0-A with floating point and Advanced SIMD, which Linux demands).
//
// Registers in guest code:
//   x0                  a general result; temporary
//   x1-x6               the general arguments; locals that no call interrupts
//   x7                  likewise, but no argument
//   x8-x15              temporaries
//   x16, x17            the selection's own: addresses, and values without a register
//   x18, x29            untouched: the platform's register, the host's frame pointer
//   x19-x26             saved by the callee
//   x27, x28            the memory's base, the VmContext*
//   x30                 the return address; functions that call save it
//   v0                  a float result; temporary
//   v1-v7, v16          the float arguments; locals that no call interrupts
//   v17-v23             likewise, but no arguments
//   v8-v15              saved by the callee (the low 64 bits)
//   v24-v29             temporaries
//   v30, v31            the selection's own
//
// The host's calling convention (AAPCS64) preserves all that guest code expects a callee to preserve. It has no red
// zone, and the stack pointer is a multiple of 16 wherever memory is accessed through it.
#pragma once

#include <asmjit/arm/a64assembler.h>

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/wasm/baseline/entry_stubs.h"
#include "runtime/wasm/baseline/flag_stubs.h"
#include "runtime/wasm/baseline/selection.h"

namespace shunt::wasm::baseline {

// Instructions beyond Armv8.0-A that may be used: none is worth it.
struct Arm64Features {
  static Arm64Features none() { return {}; }
  static Arm64Features host() { return {}; }
  static bool host_suffices() { return true; }
  static constexpr const char* required = "floating point and Advanced SIMD";
};

constexpr std::int64_t stack_aligned(std::size_t bytes) {
  return static_cast<std::int64_t>((bytes + 15) & ~std::size_t{15});
}

class Arm64Selection {
 public:
  using Features = Arm64Features;

  static constexpr Reg x0 = general_reg(0), x1 = general_reg(1), x2 = general_reg(2), x3 = general_reg(3),
                       x9 = general_reg(9), x10 = general_reg(10), x11 = general_reg(11), x15 = general_reg(15),
                       x16 = general_reg(16), x17 = general_reg(17), x19 = general_reg(19), x30 = general_reg(30),
                       zero = general_reg(31), v30 = float_reg(30), v31 = float_reg(31);
  static constexpr Reg context = general_reg(28), memory_base = general_reg(27);
  static constexpr RegisterRoles roles = {
      .temporaries = {x0, general_reg(8), x9, x10, x11, general_reg(12), general_reg(13), general_reg(14), x15,
                      float_reg(0), float_reg(24), float_reg(25), float_reg(26), float_reg(27), float_reg(28),
                      float_reg(29)},
      .volatiles = {x1,
                    x2,
                    x3,
                    general_reg(4),
                    general_reg(5),
                    general_reg(6),
                    general_reg(7),
                    float_reg(1),
                    float_reg(2),
                    float_reg(3),
                    float_reg(4),
                    float_reg(5),
                    float_reg(6),
                    float_reg(7),
                    float_reg(16),
                    float_reg(17),
                    float_reg(18),
                    float_reg(19),
                    float_reg(20),
                    float_reg(21),
                    float_reg(22),
                    float_reg(23)},
      .saved = {x19, general_reg(20), general_reg(21), general_reg(22), general_reg(23), general_reg(24),
                general_reg(25), general_reg(26), float_reg(8), float_reg(9), float_reg(10), float_reg(11),
                float_reg(12), float_reg(13), float_reg(14), float_reg(15)},
      .general_arguments = {x1, x2, x3, general_reg(4), general_reg(5), general_reg(6)},
      .float_arguments = {float_reg(1), float_reg(2), float_reg(3), float_reg(4), float_reg(5), float_reg(6),
                          float_reg(7), float_reg(16)},
      .general_result = x0,
      .float_result = float_reg(0)};
  static constexpr std::uint32_t red_zone = 0;
  static constexpr bool folds_loads = false;
  static constexpr std::array<Reg, 4> builtin_arguments = {x1, x2, x3, general_reg(4)};  // AAPCS64, behind the context
  static std::uint32_t saved_words(RegSet saved, bool is_leaf) { return saved.count() + (is_leaf ? 0 : 1); }

  // The condition codes of the instruction set (Arm ARM DDI 0487, C1.2.4). After FCMP, MI, LS, GT, GE and EQ are false
  // for unordered operands, and NE is true.
  enum class Condition : std::uint8_t { EQ, NE, HS, LO, MI, PL, VS, VC, HI, LS, GE, LT, GT, LE };

  Arm64Selection(asmjit::CodeHolder& holder, Arm64Features);

  // What functions refer to: the thunks of builtins and detours, the trap exit. Once, before the first function.
  void begin_module(DetourFunction detour);
  [[nodiscard]] std::uint32_t trap_exit() const { return trap_exit_; }  // offset

  // Thunks (arm64_thunks.cpp) at the cursor. Their conventions: baseline.h.
  void enter_thunk(const SignatureLayout& layout);
  void host_thunk(const SignatureLayout& layout, HostCallFunction host_call);
  void trace_thunk(TraceFunction trace);  // arm64_trace.cpp; once, before the first add_trace()

  // Thunks between the tiers (arm64_tier_thunks.cpp) at the cursor. Their conventions: baseline.h.
  void optimised_thunk(const SignatureLayout& layout);
  void guest_call_thunk(const SignatureLayout& layout);
  void builtin_call_thunk();
  void optimised_detour_thunk(DetourFunction detour, std::ptrdiff_t execution_offset);
  void loop_entry_thunk();
  void count_down(std::int32_t* counter);
  std::int32_t open_slots(const FrameLayout& frame, std::uint32_t words);
  void call_loop_entry(const FrameLayout& frame, std::uint32_t words);
  void close_slots(const FrameLayout& frame, std::uint32_t words);
  static const EntryEncoder entry_encoder;  // of entries' stubs

  static const StubEncoder stub_encoder;  // of flag values

  asmjit::a64::Assembler& assembler() { return a_; }
  [[nodiscard]] std::uint32_t offset() const { return static_cast<std::uint32_t>(a_.offset()); }
  void at(std::uint32_t module_offset);
  [[nodiscard]] std::vector<TrapSite>& traps() { return traps_; }
  asmjit::Label new_label() { return a_.newLabel(); }
  void bind(const asmjit::Label& label);
  void jump(const asmjit::Label& label) { a_.b(label); }
  void branch(Condition condition, const asmjit::Label& label);
  void branch_table(Reg index, std::span<const asmjit::Label> targets, const asmjit::Label& other, Reg base);
  void trap(TrapCode trap);

  void enter_function(const FrameLayout& frame, RegSet saved);
  void leave_function(const FrameLayout& frame, RegSet saved);
  void finish_function();
  static std::int32_t incoming(const FrameLayout& frame, RegSet saved, std::uint32_t word);
  void zero_frame(std::int32_t first, std::uint32_t words);

  void move(ValueType type, Reg dst, Operand src);
  void store_frame(ValueType type, std::int32_t frame, Operand src);
  void frame_address(Reg dst) { a_.mov(gpx(dst), asmjit::a64::sp); }
  void exchange(Reg left, Reg right);
  void load_field(ValueType type, Reg dst, Reg base, std::int32_t offset);
  void store_field(ValueType type, Reg base, std::int32_t offset, Operand value, Scratch& scratch);

  void load_absolute(ValueType type, Reg dst, Reg scratch, const void* address);

  void load(const OpInfo& info, Reg dst, Reg index, std::uint64_t offset, Scratch& scratch);
  void store(const OpInfo& info, Reg index, std::uint64_t offset, Operand value, Scratch& scratch);

  Reg int_binary(IntBinary op, bool wide, Reg dst, Operand a, Operand b, Scratch& scratch);
  Reg divide(IntBinary op, bool wide, Reg dst, Operand a, Operand b, Scratch& scratch);
  void add_scaled(bool wide, Reg dst, Reg base, Reg index, std::uint32_t shift);
  void int_unary(IntUnary op, bool wide, Reg dst, Operand src, Scratch& scratch);
  Condition compare(IntCompare op, bool wide, Operand a, Operand b, Scratch& scratch);
  Condition test(bool wide, Operand value, Scratch& scratch);
  Condition test_bits(bool wide, Operand a, Operand b, Scratch& scratch);
  static Condition negate(Condition condition) {
    return static_cast<Condition>(static_cast<std::uint8_t>(condition) ^ 1U);
  }
  void set(Condition condition, Reg dst);
  void select(Condition condition, ValueType type, Reg dst, Operand yes, Operand no, Scratch& scratch);

  Condition compare(FloatCompare op, ValueType type, Operand a, Operand b, Scratch& scratch);
  void float_binary(FloatBinary op, ValueType type, Reg dst, Operand a, Operand b, Scratch& scratch);
  void float_unary(FloatUnary op, ValueType type, Reg dst, Operand src, Scratch& scratch);

  void extend(bool is_signed, Reg dst, Operand src);
  void wrap(Reg dst, Operand src);
  void truncate(const OpInfo& info, Reg dst, Reg src, Scratch& scratch);
  void convert(const OpInfo& info, Reg dst, Operand src, Scratch& scratch);
  void resize_float(ValueType to, Reg dst, Operand src);
  void reinterpret(ValueType to, Reg dst, Operand src);

  void call(const asmjit::Label& function);
  void call_import(std::uint32_t function, const FrameLayout& frame);
  Reg function_reference(Operand index, std::uint32_t table, std::uint32_t type, Scratch& scratch);
  void call_reference(Reg reference, const FrameLayout& frame);
  void call_builtin(Builtin builtin);

  void align_loop() {}  // every instruction is one aligned word
  DetourStub add_detour();
  DetourStub add_trace(std::uint32_t event);

 private:
  using Gp = asmjit::a64::Gp;
  using Mem = asmjit::a64::Mem;
  using Vec = asmjit::a64::Vec;

  // Code behind the function's hot part.
  struct ColdPath {
    enum class Kind : std::uint8_t { Trap, CallOtherContext, Detour, Trace };
    Kind kind;
    asmjit::Label entry, resume;
    std::uint32_t module_offset;
    TrapCode trap = TrapCode::None;
    Reg reference{};
    std::int32_t frame = 0;
    std::uint32_t event = 0;
  };
  // A conditional branch forwards, whose distance is filled in later (arm64_branches.cpp).
  struct OpenBranch {
    std::uint32_t at;  // offset
    asmjit::Label target;
  };

  // --- operands (arm64_moves.cpp) ---
  static Gp gpx(Reg reg);
  static Gp gpw(Reg reg);
  static Gp gp(Reg reg, bool wide) { return wide ? gpx(reg) : gpw(reg); }
  static Vec vec(Reg reg, ValueType type);
  static Vec vec(Reg reg, bool is_double);
  // An operand of an access of `bytes` at [base + offset]; x16 may hold the address then. `base` may be the stack
  // pointer: a Frame operand's is.
  Mem field(const Gp& base, std::int64_t offset, std::uint32_t bytes, Reg address = x16);
  Mem frame_word(std::int32_t offset, std::uint32_t bytes, Reg address = x16);
  void load_word(ValueType type, Reg dst, const Mem& source);
  void store_word(ValueType type, Reg src, const Mem& target);
  void move_constant(bool wide, Reg dst, std::uint64_t bits);
  void add_constant(const Gp& dst, const Gp& base, std::int64_t value);  // 64 bits; keeps the flags
  // The operand in a register: its own, or `temporary`.
  Reg in_general(bool wide, Operand operand, Reg temporary);
  Reg in_float(ValueType type, Operand operand, Reg temporary);
  Reg in_general_or_zero(bool wide, Operand operand, Reg temporary);  // `zero` for the constant
  // [base + index + offset] of linear memory. The next instruction must be the one that accesses it, once.
  Mem linear(Reg index, std::uint64_t offset, std::uint32_t bytes);
  std::int32_t store_address(Reg index, std::uint64_t offset, std::uint32_t bytes);
  Mem store_target(Reg index, std::uint64_t offset, std::uint32_t bytes);
  void note_access() { traps_.push_back({offset(), module_offset_, TrapCode::MemoryOutOfBounds}); }
  void note_return();

  // --- frames ---
  static std::uint32_t frame_bytes(const FrameLayout& frame) { return (frame.size() + 15U) & ~15U; }
  void adjust_stack(std::int64_t bytes);
  enum class Transfer : std::uint8_t { Save, Restore };
  void transfer_saved(Transfer transfer, const FrameLayout& frame, RegSet saved);
  void transfer_pair(Transfer transfer, Reg first, Reg second, const Mem& place);

  // --- integers ---
  void add(bool wide, Reg dst, Operand a, Operand b);
  void subtract(bool wide, Reg dst, Operand a, Operand b);
  bool add_immediate(bool wide, Reg dst, Reg a, std::uint64_t bits);
  void logical(IntBinary op, bool wide, Reg dst, Operand a, Operand b);
  void multiply(bool wide, Reg dst, Operand a, Operand b);
  void shift(IntBinary op, bool wide, Reg dst, Operand a, Operand b);
  void shift_constant(IntBinary op, bool wide, Reg dst, Reg a, unsigned count);
  void population_count(bool wide, Reg dst, Reg src);
  bool divide_by_constant(IntBinary op, bool wide, Reg dst, Operand a, std::uint64_t bits, Scratch& scratch);
  void divide_signed_power(bool remainder, bool wide, Reg dst, Operand a, unsigned log2);

  // --- floats ---
  void copysign(ValueType type, Reg dst, Operand a, Operand b);
  void float_constant(ValueType type, Reg dst, std::uint64_t bits);
  void check_truncation(const OpInfo& info, Reg src);

  // --- thunks ---
  void arguments_from_slots(const SignatureLayout& layout, Reg slots);
  void results_to_slots(const SignatureLayout& layout, Reg slots);
  void arguments_to_slots(const SignatureLayout& layout, std::int32_t incoming);
  void results_from_slots(const SignatureLayout& layout, std::int32_t incoming);
  void builtin_thunk();
  void detour_thunk(DetourFunction detour);
  void detour_registers(Transfer transfer);
  void trace_registers(Transfer transfer);
  void leave_guest();
  void host_registers(Transfer transfer);
  void leave_for_host();

  // --- branches and out-of-line code ---
  void emit_branch(std::uint32_t word, const asmjit::Label& label);
  void close_branch(std::uint32_t at, std::uint32_t target);
  void make_room(std::uint32_t bytes);
  void close_branches();
  void compare_with_zero(bool wide, Reg reg);
  asmjit::Label trap_label(TrapCode trap);
  void branch_to_trap(Condition condition, TrapCode trap) { branch(condition, trap_label(trap)); }
  ColdPath& cold(ColdPath::Kind kind);
  void emit_cold(const ColdPath& path);
  void emit_cold_detour(const ColdPath& path);
  void emit_cold_trace(const ColdPath& path);
  void emit_cold_paths();
  void emit_trap(TrapCode trap);
  void call_in_context(Reg reference, std::int32_t context_place);

  asmjit::a64::Assembler a_;
  const asmjit::CodeHolder& holder_;
  std::uint32_t module_offset_ = 0;
  std::vector<TrapSite> traps_;
  std::vector<ColdPath> cold_;
  std::vector<OpenBranch> open_;  // ascending
  asmjit::Label builtin_thunk_, detour_thunk_, trace_thunk_, trap_exit_label_, trap_exit_of_execution_, leave_guest_;
  std::uint32_t trap_exit_ = 0;
  // Where a comparison of this register with zero ended: a branch that follows makes one instruction of the two.
  Reg tested_{};
  bool tested_wide_ = false;
  std::uint32_t tested_at_ = 0;
};

static_assert(Selection<Arm64Selection>);

}  // namespace shunt::wasm::baseline
