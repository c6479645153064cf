// Instruction selection for x86-64-v2 (SSE4.2, POPCNT), with BMI1, BMI2 and LZCNT where the processor has them.
//
// Registers in guest code:
//   rax rcx rdx         temporaries; rax holds a general result
//   rdi rsi r8 r9       the first four general arguments, then rcx rdx; locals that no call interrupts
//   rbx rbp r10-r13     saved by the callee
//   r14, r15            the VmContext*, the memory's base
//   xmm4-xmm7           the first four float arguments, then xmm0-xmm3; locals that no call interrupts
//   xmm0-xmm3           temporaries; xmm0 holds a float result
//   xmm8-xmm15          saved by the callee (the low 64 bits)
#pragma once

#include <asmjit/x86.h>

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/wasm/baseline/entry_stubs.h"
#include "runtime/wasm/baseline/flag_stubs.h"
#include "runtime/wasm/baseline/selection.h"

namespace shunt::wasm::baseline {

// Instructions beyond x86-64-v2 that may be used.
struct X86Features {
  bool bmi1 = false, bmi2 = false, lzcnt = false;
  static X86Features none() { return {}; }
  static X86Features host();
  // Whether the host has x86-64-v2 at all.
  static bool host_suffices();
  static constexpr const char* required = "SSE4.2 and POPCNT (x86-64-v2)";
};

class X86Selection {
 public:
  using Features = X86Features;

  static constexpr Reg rax = general_reg(0), rcx = general_reg(1), rdx = general_reg(2), rbx = general_reg(3),
                       rsp = general_reg(4), rbp = general_reg(5), rsi = general_reg(6), rdi = general_reg(7),
                       r8 = general_reg(8), r9 = general_reg(9), r10 = general_reg(10), r11 = general_reg(11),
                       r12 = general_reg(12), r13 = general_reg(13), r14 = general_reg(14), r15 = general_reg(15);
  static constexpr Reg context = r14, memory_base = r15;
  static constexpr RegisterRoles roles = {
      .temporaries = {rax, rcx, rdx, r11, float_reg(0), float_reg(1), float_reg(2), float_reg(3)},
      .volatiles = {rdi, rsi, r8, r9, float_reg(4), float_reg(5), float_reg(6), float_reg(7)},
      .saved = {rbx, rbp, r10, r12, r13, float_reg(8), float_reg(9), float_reg(10), float_reg(11), float_reg(12),
                float_reg(13), float_reg(14), float_reg(15)},
      .general_arguments = {rdi, rsi, r8, r9, rcx, rdx},
      .float_arguments = {float_reg(4), float_reg(5), float_reg(6), float_reg(7), float_reg(0), float_reg(1),
                          float_reg(2), float_reg(3)},
      .general_result = rax,
      .float_result = float_reg(0)};
  static constexpr std::uint32_t red_zone = 128;
  static constexpr bool folds_loads = true;
  static constexpr std::array<Reg, 4> builtin_arguments = {rsi, rdx, rcx, r8};  // System V, behind the context
  static std::uint32_t saved_words(RegSet saved, bool) { return saved.of(RegClass::Float).count(); }

  // The first sixteen are the condition codes of the instruction set.
  enum class Condition : std::uint8_t {
    Overflow,
    NotOverflow,
    Below,
    AboveEqual,
    Equal,
    NotEqual,
    BelowEqual,
    Above,
    Sign,
    NotSign,
    Parity,
    NotParity,
    Less,
    GreaterEqual,
    LessEqual,
    Greater,
    FloatEqual,
    FloatNotEqual,  // after a float comparison: unordered is not equal
  };

  X86Selection(asmjit::CodeHolder& holder, X86Features features);

  // What functions refer to: shared data, the thunks of builtins and detours, the trap exit. Once, before the first
  // function.
  void begin_module(DetourFunction detour);
  [[nodiscard]] std::uint32_t trap_exit() const { return trap_exit_; }  // offset

  // Thunks (x86_64_thunks.cpp) at the cursor. Their conventions: baseline.h.
  void enter_thunk(const SignatureLayout& layout);
  void host_thunk(const SignatureLayout& layout, HostCallFunction host_call);
  void trace_thunk(TraceFunction trace);  // x86_64_trace.cpp; once, before the first add_trace()

  // Thunks between the tiers (x86_64_tier_thunks.cpp) at the cursor. Their conventions: baseline.h.
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

  asmjit::x86::Assembler& assembler() { return a_; }
  [[nodiscard]] std::uint32_t offset() const { return static_cast<std::uint32_t>(a_.offset()); }
  void at(std::uint32_t module_offset) { module_offset_ = module_offset; }
  [[nodiscard]] std::vector<TrapSite>& traps() { return traps_; }
  asmjit::Label new_label() { return a_.newLabel(); }
  void bind(const asmjit::Label& label);
  void jump(const asmjit::Label& label) { a_.jmp(label); }
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
  void frame_address(Reg dst) { a_.mov(gpq(dst), asmjit::x86::rsp); }
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

  void align_loop();
  DetourStub add_detour();
  DetourStub add_trace(std::uint32_t event);

 private:
  using Gp = asmjit::x86::Gp;
  using Mem = asmjit::x86::Mem;
  using Xmm = asmjit::x86::Xmm;
  using InstId = asmjit::InstId;

  // Code behind the function's hot part: traps and rare cases.
  struct ColdPath {
    enum class Kind : std::uint8_t {
      Trap,
      DivideByMinusOne,
      RemainderByMinusOne,
      TruncateSigned,
      TruncateUnsigned32,
      TruncateUnsigned64,
      ConvertUnsigned64,
      CallOtherContext,
      Detour,
      Trace,
    };
    Kind kind;
    asmjit::Label entry, resume;
    std::uint32_t module_offset;
    TrapCode trap = TrapCode::None;
    bool wide = false, is_double = false, saturates = false;
    Reg dst{}, src{}, scratch{};
    std::int32_t frame = 0;
    std::uint32_t event = 0;
  };
  struct Literal {
    std::uint64_t bits;
    bool wide;
    asmjit::Label label;
  };
  struct JumpTable {
    asmjit::Label label;
    std::uint32_t first, count;  // in table_targets_
  };

  // --- operands (x86_64_operands.cpp) ---
  static Gp gp(Reg reg, bool wide) { return wide ? Gp(asmjit::x86::gpq(reg.id())) : Gp(asmjit::x86::gpd(reg.id())); }
  static Gp gpq(Reg reg) { return asmjit::x86::gpq(reg.id()); }
  static Gp gpd(Reg reg) { return asmjit::x86::gpd(reg.id()); }
  static Xmm xmm(Reg reg) { return asmjit::x86::xmm(reg.id()); }
  static Mem frame_word(std::int32_t offset, std::uint32_t bytes) { return Mem(asmjit::x86::rsp, offset, bytes); }
  // The operand's memory, a Frame or a Memory; the next instruction must be the one that accesses it.
  Mem memory(Operand operand, std::uint32_t bytes);
  Mem linear(Reg index, std::uint64_t offset, std::uint32_t bytes, Scratch& scratch);
  Mem literal(ValueType type, std::uint64_t bits);
  void note_access() { traps_.push_back({offset(), module_offset_, TrapCode::MemoryOutOfBounds}); }
  void note_return();
  static bool uses(Operand operand, Reg reg) {
    return (operand.is_register() || operand.is_memory()) && operand.reg == reg;
  }
  static bool fits_imm32(bool wide, std::uint64_t bits) {
    return !wide || static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<std::int32_t>(bits))) == bits;
  }
  void move_constant(bool wide, Reg dst, std::uint64_t bits);
  // `operand` as something that a general instruction takes on its right side: a register, memory, or an imm32.
  void emit_right(InstId inst, bool wide, Reg dst, Operand right, Scratch& scratch);
  Reg in_general(bool wide, Operand operand, Scratch& scratch);
  Reg in_float(ValueType type, Operand operand, Scratch& scratch);

  // --- integers ---
  void two_address(InstId inst, bool wide, bool commutes, Reg dst, Operand a, Operand b, Scratch& scratch);
  bool add(bool wide, Reg dst, Operand a, Operand b, Scratch& scratch);
  bool subtract(bool wide, Reg dst, Operand a, Operand b);
  bool and_constant(bool wide, Reg dst, Operand a, std::uint64_t bits);
  bool multiply_constant(bool wide, Reg dst, Operand a, std::uint64_t bits);
  void shift(IntBinary op, bool wide, Reg dst, Operand a, Operand b, Scratch& scratch);
  void shift_constant(IntBinary op, bool wide, Reg dst, Operand a, unsigned count);
  void shift_by_cl(IntBinary op, bool wide, Reg dst, Operand a, Operand b, Scratch& scratch);
  bool divide_by_constant(IntBinary op, bool wide, Reg dst, Operand a, std::uint64_t bits, Scratch& scratch);
  void emit_division(InstId inst, bool wide, Operand divisor);
  void divide_signed_power(bool remainder, bool wide, Reg dst, Operand a, unsigned log2, Scratch& scratch);
  void result_in_flags(Reg dst, bool wide);

  // --- floats ---
  void emit_float(InstId single, InstId twice, ValueType type, Reg dst, Operand src);
  void min_max(bool is_min, ValueType type, Reg dst, Operand a, Operand b, Scratch& scratch);
  void copysign(ValueType type, Reg dst, Operand a, Operand b, Scratch& scratch);
  Mem mask(ValueType type, bool sign_only);

  // --- thunks ---
  void shared_data();
  void arguments_from_slots(const SignatureLayout& layout, Reg slots, Reg temporary);
  void results_to_slots(const SignatureLayout& layout, Reg slots);
  void arguments_to_slots(const SignatureLayout& layout, Reg base, std::int32_t incoming);
  void results_from_slots(const SignatureLayout& layout, Reg base, std::int32_t incoming);
  void builtin_thunk();
  void detour_thunk(DetourFunction detour);
  void leave_guest();
  void save_for_host(std::int32_t bytes);
  void restore_from_host(std::int32_t bytes);
  static std::int32_t slots_bytes(const FrameLayout& frame, std::uint32_t words);
  void publish_guest_state(Reg execution, std::int32_t return_address);

  // --- out-of-line code ---
  asmjit::Label trap_label(TrapCode trap);
  ColdPath& cold(ColdPath::Kind kind);
  void emit_cold(const ColdPath& path);
  void emit_trap(TrapCode trap);
  void emit_cold_division(const ColdPath& path);
  void emit_cold_truncation(const ColdPath& path);
  void emit_cold_truncation_signed(const ColdPath& path);
  void emit_cold_truncation_unsigned(const ColdPath& path);
  void emit_cold_conversion(const ColdPath& path);
  void emit_cold_call(const ColdPath& path);
  void emit_cold_detour(const ColdPath& path);
  void emit_cold_trace(const ColdPath& path);

  static constexpr std::int32_t saved_floats = 8;  // xmm8 to xmm15, of which guest code keeps the low halves
  static asmjit::x86::Mem field(const asmjit::x86::Gp& base, std::size_t offset, std::uint32_t bytes = 8) {
    return {base, static_cast<std::int32_t>(offset), bytes};
  }

  asmjit::x86::Assembler a_;
  X86Features features_;
  std::uint32_t module_offset_ = 0;
  std::vector<TrapSite> traps_;
  std::vector<ColdPath> cold_;
  std::vector<Literal> literals_;
  std::vector<JumpTable> tables_;
  std::vector<asmjit::Label> table_targets_;
  asmjit::Label sign_masks_[2], magnitude_masks_[2];  // f32, f64
  asmjit::Label builtin_thunk_, detour_thunk_, trace_thunk_, loop_entry_thunk_, trap_exit_label_,
      trap_exit_of_execution_, leave_guest_;
  std::uint32_t trap_exit_ = 0;
  // The general register whose zero flag the last instruction left, and where that instruction ended.
  Reg flags_of_{};
  bool flags_wide_ = false;
  std::uint32_t flags_at_ = 0;
};

static_assert(Selection<X86Selection>);

}  // namespace shunt::wasm::baseline
