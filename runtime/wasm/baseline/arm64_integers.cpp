// arm64: integer arithmetic but division.
#include <bit>
#include <utility>

#include "runtime/wasm/baseline/arm64_constants.h"
#include "runtime/wasm/baseline/arm64_selection.h"

namespace shunt::wasm::baseline {

using namespace asmjit;  // NOLINT(google-build-using-namespace): mnemonics and registers

Reg Arm64Selection::int_binary(IntBinary op, bool wide, Reg dst, Operand a, Operand b, Scratch&) {
  if (is_commutative(op) && a.is_constant()) std::swap(a, b);
  switch (op) {
    case IntBinary::Add:
      add(wide, dst, a, b);
      break;
    case IntBinary::Sub:
      subtract(wide, dst, a, b);
      break;
    case IntBinary::Mul:
      multiply(wide, dst, a, b);
      break;
    case IntBinary::And:
    case IntBinary::Or:
    case IntBinary::Xor:
      logical(op, wide, dst, a, b);
      break;
    default:
      shift(op, wide, dst, a, b);
  }
  return dst;
}

// dst = a + bits, if that is one instruction.
bool Arm64Selection::add_immediate(bool wide, Reg dst, Reg a, std::uint64_t bits) {
  const std::uint64_t value = wide ? bits : bits & 0xffff'ffff;
  const std::uint64_t opposite = wide ? 0 - bits : (0 - bits) & 0xffff'ffff;
  if (arm64::is_add_immediate(value)) {
    a_.add(gp(dst, wide), gp(a, wide), Imm(value));
  } else if (arm64::is_add_immediate(opposite)) {
    a_.sub(gp(dst, wide), gp(a, wide), Imm(opposite));
  } else {
    return false;
  }
  return true;
}

void Arm64Selection::add(bool wide, Reg dst, Operand a, Operand b) {
  const Reg left = in_general(wide, a, x16);
  if (b.is_constant() && add_immediate(wide, dst, left, b.bits)) return;
  a_.add(gp(dst, wide), gp(left, wide), gp(in_general(wide, b, x17), wide));
}

void Arm64Selection::subtract(bool wide, Reg dst, Operand a, Operand b) {
  const Reg left = in_general_or_zero(wide, a, x16);
  if (b.is_constant() && left != zero && add_immediate(wide, dst, left, 0 - b.bits)) return;
  a_.sub(gp(dst, wide), gp(left, wide), gp(in_general(wide, b, x17), wide));
}

void Arm64Selection::logical(IntBinary op, bool wide, Reg dst, Operand a, Operand b) {
  const Gp result = gp(dst, wide);
  const Gp left = gp(in_general(wide, a, x16), wide);
  const auto emit = [&](const auto& right) {
    if (op == IntBinary::And) {
      a_.and_(result, left, right);
    } else if (op == IntBinary::Or) {
      a_.orr(result, left, right);
    } else {
      a_.eor(result, left, right);
    }
  };
  if (b.is_constant() && arm64::is_logical_immediate(wide, b.bits)) {
    emit(Imm(wide ? b.bits : b.bits & 0xffff'ffff));
  } else {
    emit(gp(in_general(wide, b, x17), wide));
  }
}

void Arm64Selection::multiply(bool wide, Reg dst, Operand a, Operand b) {
  const Reg left = in_general(wide, a, x16);
  const std::uint64_t factor = wide ? b.bits : b.bits & 0xffff'ffff;
  if (b.is_constant() && std::has_single_bit(factor)) {
    shift_constant(IntBinary::Shl, wide, dst, left, static_cast<unsigned>(std::countr_zero(factor)));
    return;
  }
  a_.mul(gp(dst, wide), gp(left, wide), gp(in_general(wide, b, x17), wide));
}

void Arm64Selection::add_scaled(bool wide, Reg dst, Reg base, Reg index, std::uint32_t shift) {
  a_.add(gp(dst, wide), gp(base, wide), gp(index, wide), a64::lsl(shift));
}

// --- shifts and rotations ---

void Arm64Selection::shift(IntBinary op, bool wide, Reg dst, Operand a, Operand b) {
  const Reg value = in_general(wide, a, x16);
  if (b.is_constant()) {
    shift_constant(op, wide, dst, value, static_cast<unsigned>(b.bits) & (wide ? 63U : 31U));
    return;
  }
  const Gp result = gp(dst, wide);
  const Gp left = gp(value, wide);
  const Gp count = gp(in_general(wide, b, x17), wide);  // taken modulo the width
  switch (op) {
    case IntBinary::Shl:
      a_.lsl(result, left, count);
      return;
    case IntBinary::ShrS:
      a_.asr(result, left, count);
      return;
    case IntBinary::ShrU:
      a_.lsr(result, left, count);
      return;
    case IntBinary::Rotl:
      a_.neg(gp(x17, wide), count);
      a_.ror(result, left, gp(x17, wide));
      return;
    default:
      a_.ror(result, left, count);
  }
}

void Arm64Selection::shift_constant(IntBinary op, bool wide, Reg dst, Reg a, unsigned count) {
  const unsigned width = wide ? 64 : 32;
  if (count == 0) {
    move(wide ? ValueType::I64 : ValueType::I32, dst, Operand::in(a));
    return;
  }
  const Gp result = gp(dst, wide);
  const Gp left = gp(a, wide);
  switch (op) {
    case IntBinary::Shl:
      a_.lsl(result, left, Imm(count));
      return;
    case IntBinary::ShrS:
      a_.asr(result, left, Imm(count));
      return;
    case IntBinary::ShrU:
      a_.lsr(result, left, Imm(count));
      return;
    default:
      a_.ror(result, left, Imm(op == IntBinary::Rotr ? count : width - count));
  }
}

// --- one operand ---

void Arm64Selection::int_unary(IntUnary op, bool wide, Reg dst, Operand src, Scratch&) {
  const Reg from = in_general(wide, src, x16);
  const Gp result = gp(dst, wide);
  const Gp value = gp(from, wide);
  switch (op) {
    case IntUnary::Clz:
      a_.clz(result, value);
      return;
    case IntUnary::Ctz:
      a_.rbit(result, value);
      a_.clz(result, result);
      return;
    case IntUnary::Popcnt:
      population_count(wide, dst, from);
      return;
    case IntUnary::Extend8:
      a_.sxtb(result, gpw(from));
      return;
    case IntUnary::Extend16:
      a_.sxth(result, gpw(from));
      return;
    case IntUnary::Extend32:
      a_.sxtw(result, gpw(from));
      return;
  }
}

// Only vectors count bits: of each byte, then their sum.
void Arm64Selection::population_count(bool wide, Reg dst, Reg src) {
  const Vec word = vec(v31, wide);
  const Vec bytes = a64::v(v31.id()).b8();
  a_.fmov(word, gp(src, wide));  // clears the rest
  a_.cnt(bytes, bytes);
  a_.addv(a64::v(v31.id()).b(), bytes);
  a_.fmov(gpw(dst), a64::s(v31.id()));
}

void Arm64Selection::extend(bool is_signed, Reg dst, Operand src) {
  if (src.is_constant()) {
    const auto bits = static_cast<std::uint32_t>(src.bits);
    const auto extended = static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<std::int32_t>(bits)));
    move_constant(true, dst, is_signed ? extended : bits);
  } else if (!is_signed) {
    move(ValueType::I32, dst, src);
  } else {
    a_.sxtw(gpx(dst), gpw(in_general(false, src, x16)));
  }
}

void Arm64Selection::wrap(Reg dst, Operand src) {
  if (src.is_register()) {
    a_.mov(gpw(dst), gpw(src.reg));  // also onto itself: clears the upper half
  } else {
    move(ValueType::I32, dst, src);
  }
}

}  // namespace shunt::wasm::baseline
