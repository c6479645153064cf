// arm64: integer division. The instructions trap on nothing: a zero divisor gives zero, the least integer by -1 itself.
#include <bit>

#include "runtime/wasm/baseline/arm64_constants.h"
#include "runtime/wasm/baseline/arm64_selection.h"

namespace shunt::wasm::baseline {

using namespace asmjit;  // NOLINT(google-build-using-namespace): mnemonics and registers

Reg Arm64Selection::divide(IntBinary op, bool wide, Reg dst, Operand a, Operand b, Scratch& scratch) {
  if (b.is_constant() && divide_by_constant(op, wide, dst, a, b.bits, scratch)) return dst;
  const std::uint64_t minus_one = wide ? ~std::uint64_t{0} : 0xffff'ffff;
  const std::uint64_t divisor_bits = b.bits & minus_one;
  const Reg dividend = in_general(wide, a, x16);
  const Reg divisor = in_general(wide, b, x17);
  if (!b.is_constant() || divisor_bits == 0) {
    branch_to_trap(negate(test(wide, Operand::in(divisor), scratch)), TrapCode::IntegerDivideByZero);
  }
  if (op == IntBinary::DivS && (!b.is_constant() || divisor_bits == minus_one)) {
    // The quotient of the least integer and -1 is not representable. If the divisor is -1, compare the dividend with 1:
    // that overflows for the least integer alone; if not, no flag is set.
    a_.cmn(gp(divisor, wide), Imm(1));
    a_.ccmp(gp(dividend, wide), Imm(1), Imm(0), Imm(static_cast<std::uint32_t>(arm::CondCode::kEQ)));
    branch_to_trap(Condition::VS, TrapCode::IntegerOverflow);
  }
  // A remainder reads both operands again after the quotient is written.
  Reg quotient = dst;
  if (is_remainder(op) && (dst == dividend || dst == divisor)) quotient = dividend != x16 ? x16 : x17;
  if (is_signed_division(op)) {
    a_.sdiv(gp(quotient, wide), gp(dividend, wide), gp(divisor, wide));
  } else {
    a_.udiv(gp(quotient, wide), gp(dividend, wide), gp(divisor, wide));
  }
  if (is_remainder(op)) a_.msub(gp(dst, wide), gp(quotient, wide), gp(divisor, wide), gp(dividend, wide));
  return dst;
}

bool Arm64Selection::divide_by_constant(IntBinary op, bool wide, Reg dst, Operand a, std::uint64_t bits,
                                        Scratch& scratch) {
  if (!wide) bits &= 0xffff'ffff;
  const bool is_power = std::has_single_bit(bits);
  const auto log2 = static_cast<unsigned>(std::countr_zero(bits));
  switch (op) {
    case IntBinary::DivU:
      if (!is_power) return false;
      shift_constant(IntBinary::ShrU, wide, dst, in_general(wide, a, x16), log2);
      return true;
    case IntBinary::RemU:
      if (!is_power) return false;
      int_binary(IntBinary::And, wide, dst, a, Operand::constant(bits - 1), scratch);
      return true;
    default:
      // The least integer is a power of two only without its sign.
      if (!is_power || log2 == 0 || log2 + 1 == (wide ? 64U : 32U)) return false;
      divide_signed_power(is_remainder(op), wide, dst, a, log2);
      return true;
  }
}

// Rounds towards zero: negative dividends are biased by 2^log2 - 1 first.
void Arm64Selection::divide_signed_power(bool remainder, bool wide, Reg dst, Operand a, unsigned log2) {
  const unsigned width = wide ? 64 : 32;
  const Gp dividend = gp(in_general(wide, a, x16), wide);
  const Gp biased = gp(x17, wide);
  a_.asr(biased, dividend, Imm(width - 1));
  a_.add(biased, dividend, biased, a64::lsr(width - log2));
  if (!remainder) {
    a_.asr(gp(dst, wide), biased, Imm(log2));
    return;
  }
  const std::uint64_t multiples = ~std::uint64_t{0} << log2;
  a_.and_(biased, biased, Imm(wide ? multiples : multiples & 0xffff'ffff));
  a_.sub(gp(dst, wide), dividend, biased);
}

}  // namespace shunt::wasm::baseline
