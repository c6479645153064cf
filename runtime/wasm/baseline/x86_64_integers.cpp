// x86-64: integer arithmetic but division.
#include <bit>
#include <utility>

#include "runtime/wasm/baseline/x86_64_selection.h"

namespace shunt::wasm::baseline {

using namespace asmjit;  // NOLINT(google-build-using-namespace): mnemonics and registers

// The last instruction set the zero flag by what it left in `dst`.
void X86Selection::result_in_flags(Reg dst, bool wide) {
  flags_of_ = dst;
  flags_wide_ = wide;
  flags_at_ = offset();
}

// dst = a op b where the instruction overwrites its left operand.
void X86Selection::two_address(InstId inst, bool wide, bool commutes, Reg dst, Operand a, Operand b, Scratch& scratch) {
  if (uses(b, dst) && !a.is(dst)) {
    if (commutes) {
      std::swap(a, b);
    } else {
      const Reg right = scratch.general();
      move(wide ? ValueType::I64 : ValueType::I32, right, b);
      b = Operand::in(right);
    }
  }
  move(wide ? ValueType::I64 : ValueType::I32, dst, a);
  emit_right(inst, wide, dst, b, scratch);
}

Reg X86Selection::int_binary(IntBinary op, bool wide, Reg dst, Operand a, Operand b, Scratch& scratch) {
  if (is_commutative(op) && a.is_constant()) std::swap(a, b);
  switch (op) {
    case IntBinary::Add:
      if (add(wide, dst, a, b, scratch)) return dst;
      two_address(x86::Inst::kIdAdd, wide, true, dst, a, b, scratch);
      break;
    case IntBinary::Sub:
      if (subtract(wide, dst, a, b)) return dst;
      two_address(x86::Inst::kIdSub, wide, false, dst, a, b, scratch);
      break;
    case IntBinary::Mul:
      if (b.is_constant() && multiply_constant(wide, dst, a, b.bits)) return dst;
      two_address(x86::Inst::kIdImul, wide, true, dst, a, b, scratch);
      return dst;
    case IntBinary::And:
      if (b.is_constant() && and_constant(wide, dst, a, b.bits)) return dst;
      two_address(x86::Inst::kIdAnd, wide, true, dst, a, b, scratch);
      break;
    case IntBinary::Or:
      two_address(x86::Inst::kIdOr, wide, true, dst, a, b, scratch);
      break;
    case IntBinary::Xor:
      two_address(x86::Inst::kIdXor, wide, true, dst, a, b, scratch);
      break;
    default:
      shift(op, wide, dst, a, b, scratch);
      return dst;
  }
  result_in_flags(dst, wide);
  return dst;
}

// Three operands by lea. False if `add` does as well.
bool X86Selection::add(bool wide, Reg dst, Operand a, Operand b, Scratch&) {
  if (b.is_constant() && fits_imm32(wide, b.bits) && a.is_register() && a.reg != dst) {
    a_.lea(gp(dst, wide), Mem(gpq(a.reg), static_cast<std::int32_t>(b.bits)));
    return true;
  }
  if (a.is_register() && b.is_register() && a.reg != dst && b.reg != dst) {
    a_.lea(gp(dst, wide), Mem(gpq(a.reg), gpq(b.reg), 0, 0));
    return true;
  }
  return false;
}

bool X86Selection::subtract(bool wide, Reg dst, Operand a, Operand b) {
  const ValueType type = wide ? ValueType::I64 : ValueType::I32;
  if (b.is_constant() && a.is_register() && a.reg != dst && fits_imm32(wide, b.bits) && fits_imm32(wide, 0 - b.bits)) {
    a_.lea(gp(dst, wide), Mem(gpq(a.reg), static_cast<std::int32_t>(0 - b.bits)));
    return true;
  }
  if (a.is_constant() && a.bits == 0) {
    move(type, dst, b);
    a_.neg(gp(dst, wide));
    result_in_flags(dst, wide);
    return true;
  }
  if (b.is(dst) && a.is_register() && a.reg != dst) {
    a_.neg(gp(dst, wide));
    a_.add(gp(dst, wide), gp(a.reg, wide));
    result_in_flags(dst, wide);
    return true;
  }
  return false;
}

bool X86Selection::and_constant(bool wide, Reg dst, Operand a, std::uint64_t bits) {
  if (a.is_memory() || a.is_constant()) return false;
  if (bits == 0xff || bits == 0xffff) {
    const std::uint32_t bytes = bits == 0xff ? 1 : 2;
    if (a.is_register()) {
      a_.movzx(gpd(dst), bytes == 1 ? Gp(x86::gpb(a.reg.id())) : Gp(x86::gpw(a.reg.id())));
    } else {
      a_.movzx(gpd(dst), memory(a, bytes));
    }
    return true;
  }
  if (!wide || bits > 0xffff'ffff) return false;
  // The mask clears the upper half, as 32-bit instructions do.
  if (bits == 0xffff'ffff) {
    wrap(dst, a);
    return true;
  }
  move(ValueType::I32, dst, a);
  a_.and_(gpd(dst), Imm(static_cast<std::int32_t>(bits)));
  result_in_flags(dst, true);
  return true;
}

bool X86Selection::multiply_constant(bool wide, Reg dst, Operand a, std::uint64_t bits) {
  const ValueType type = wide ? ValueType::I64 : ValueType::I32;
  if (!wide) bits &= 0xffff'ffff;
  if (bits == 0) {
    if (a.is_memory()) return false;
    move_constant(wide, dst, 0);
    return true;
  }
  if (std::has_single_bit(bits)) {
    shift_constant(IntBinary::Shl, wide, dst, a, static_cast<unsigned>(std::countr_zero(bits)));
    return true;
  }
  if (bits == 3 || bits == 5 || bits == 9) {
    Reg factor = a.reg;
    if (!a.is_register()) {
      move(type, dst, a);
      factor = dst;
    }
    a_.lea(gp(dst, wide), Mem(gpq(factor), gpq(factor), bits == 3 ? 1 : bits == 5 ? 2 : 3, 0));
    return true;
  }
  if (!fits_imm32(wide, bits)) return false;
  const Imm factor(static_cast<std::int32_t>(bits));
  if (a.is_register()) {
    a_.imul(gp(dst, wide), gp(a.reg, wide), factor);
  } else if (a.is_constant()) {
    move(type, dst, a);
    a_.imul(gp(dst, wide), gp(dst, wide), factor);
  } else {
    a_.imul(gp(dst, wide), memory(a, wide ? 8 : 4), factor);
  }
  return true;
}

void X86Selection::add_scaled(bool wide, Reg dst, Reg base, Reg index, std::uint32_t shift) {
  a_.lea(gp(dst, wide), Mem(gpq(base), gpq(index), shift, 0));
}

// --- shifts and rotations ---

namespace {

InstId shift_instruction(IntBinary op) {
  switch (op) {
    case IntBinary::Shl:
      return x86::Inst::kIdShl;
    case IntBinary::ShrS:
      return x86::Inst::kIdSar;
    case IntBinary::ShrU:
      return x86::Inst::kIdShr;
    case IntBinary::Rotl:
      return x86::Inst::kIdRol;
    default:
      return x86::Inst::kIdRor;
  }
}

InstId bmi2_shift_instruction(IntBinary op) {
  switch (op) {
    case IntBinary::Shl:
      return x86::Inst::kIdShlx;
    case IntBinary::ShrS:
      return x86::Inst::kIdSarx;
    default:
      return x86::Inst::kIdShrx;
  }
}

}  // namespace

void X86Selection::shift(IntBinary op, bool wide, Reg dst, Operand a, Operand b, Scratch& scratch) {
  if (b.is_constant()) {
    shift_constant(op, wide, dst, a, static_cast<unsigned>(b.bits) & (wide ? 63U : 31U));
    return;
  }
  const bool rotates = op == IntBinary::Rotl || op == IntBinary::Rotr;
  if (rotates || !features_.bmi2) {
    shift_by_cl(op, wide, dst, a, b, scratch);
    return;
  }
  const Reg count = in_general(wide, b, scratch);
  if (a.is_constant()) a = Operand::in(in_general(wide, a, scratch));
  if (a.is_register()) {
    a_.emit(bmi2_shift_instruction(op), gp(dst, wide), gp(a.reg, wide), gp(count, wide));
  } else {
    a_.emit(bmi2_shift_instruction(op), gp(dst, wide), memory(a, wide ? 8 : 4), gp(count, wide));
  }
}

void X86Selection::shift_constant(IntBinary op, bool wide, Reg dst, Operand a, unsigned count) {
  const unsigned width = wide ? 64 : 32;
  if (features_.bmi2 && a.is_register() && a.reg != dst && count != 0) {
    if (op == IntBinary::Rotl || op == IntBinary::Rotr) {
      a_.rorx(gp(dst, wide), gp(a.reg, wide), Imm(op == IntBinary::Rotr ? count : width - count));
      return;
    }
  }
  if (op == IntBinary::Shl && a.is_register() && a.reg != dst && count == 1) {
    a_.lea(gp(dst, wide), Mem(gpq(a.reg), gpq(a.reg), 0, 0));
    return;
  }
  move(wide ? ValueType::I64 : ValueType::I32, dst, a);
  if (count != 0) a_.emit(shift_instruction(op), gp(dst, wide), Imm(count));
}

// The count must be in cl; `dst`, `a` and `b` may each be rcx.
void X86Selection::shift_by_cl(IntBinary op, bool wide, Reg dst, Operand a, Operand b, Scratch& scratch) {
  const ValueType type = wide ? ValueType::I64 : ValueType::I32;
  scratch.claim(rcx);
  const Reg value = dst == rcx || (uses(b, dst) && !b.is(rcx)) ? scratch.general() : dst;
  move(type, value, a);
  move(type, rcx, b);
  a_.emit(shift_instruction(op), gp(value, wide), x86::cl);
  move(type, dst, Operand::in(value));
}

// --- one operand ---

void X86Selection::int_unary(IntUnary op, bool wide, Reg dst, Operand src, Scratch& scratch) {
  if (src.is_constant()) src = Operand::in(in_general(wide, src, scratch));
  const auto emit = [&](InstId inst, std::uint32_t bytes) {
    if (!src.is_register()) {
      a_.emit(inst, gp(dst, wide), memory(src, bytes));
    } else if (bytes == 1) {
      a_.emit(inst, gp(dst, wide), x86::gpb(src.reg.id()));
    } else if (bytes == 2) {
      a_.emit(inst, gp(dst, wide), x86::gpw(src.reg.id()));
    } else {
      a_.emit(inst, gp(dst, wide), gp(src.reg, bytes == 8));
    }
  };
  const std::uint32_t bytes = wide ? 8 : 4;
  switch (op) {
    case IntUnary::Popcnt:
      emit(x86::Inst::kIdPopcnt, bytes);
      return;
    case IntUnary::Extend8:
      emit(x86::Inst::kIdMovsx, 1);
      return;
    case IntUnary::Extend16:
      emit(x86::Inst::kIdMovsx, 2);
      return;
    case IntUnary::Extend32:
      emit(x86::Inst::kIdMovsxd, 4);
      return;
    case IntUnary::Clz:
    case IntUnary::Ctz:
      break;
  }
  if (op == IntUnary::Clz ? features_.lzcnt : features_.bmi1) {
    emit(op == IntUnary::Clz ? x86::Inst::kIdLzcnt : x86::Inst::kIdTzcnt, bytes);
    return;
  }
  // bsr and bsf leave their destination undefined for zero, and tell by the zero flag.
  const Reg if_zero = scratch.general();
  const unsigned width = wide ? 64 : 32;
  move_constant(false, if_zero, op == IntUnary::Clz ? 2 * width - 1 : width);
  emit(op == IntUnary::Clz ? x86::Inst::kIdBsr : x86::Inst::kIdBsf, bytes);
  a_.cmove(gp(dst, wide), gp(if_zero, wide));
  if (op == IntUnary::Clz) a_.xor_(gp(dst, wide), Imm(width - 1));
}

void X86Selection::extend(bool is_signed, Reg dst, Operand src) {
  if (src.is_constant()) {
    const auto bits = static_cast<std::uint32_t>(src.bits);
    const auto extended = static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<std::int32_t>(bits)));
    move_constant(true, dst, is_signed ? extended : bits);
  } else if (!is_signed) {
    move(ValueType::I32, dst, src);
  } else if (src.is_register()) {
    a_.movsxd(gpq(dst), gpd(src.reg));
  } else {
    a_.movsxd(gpq(dst), memory(src, 4));
  }
}

void X86Selection::wrap(Reg dst, Operand src) {
  if (src.is_register()) {
    a_.mov(gpd(dst), gpd(src.reg));  // also onto itself: clears the upper half
  } else {
    move(ValueType::I32, dst, src);
  }
}

}  // namespace shunt::wasm::baseline
