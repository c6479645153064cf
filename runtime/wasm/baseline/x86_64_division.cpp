// x86-64: integer division. The general case needs rax and rdx; constant divisors mostly do not divide.
#include <bit>

#include "runtime/wasm/baseline/x86_64_selection.h"

namespace shunt::wasm::baseline {

using namespace asmjit;  // NOLINT(google-build-using-namespace): mnemonics and registers

// Returns where the result is: rax or rdx, or `dst`.
Reg X86Selection::divide(IntBinary op, bool wide, Reg dst, Operand a, Operand b, Scratch& scratch) {
  const ValueType type = wide ? ValueType::I64 : ValueType::I32;
  if (b.is_constant() && divide_by_constant(op, wide, dst, a, b.bits, scratch)) return dst;
  scratch.claim(rax);
  scratch.claim(rdx);
  if (b.is_constant() || b.is_memory() || uses(b, rax) || uses(b, rdx)) {
    const Operand divisor = Operand::in(scratch.general());
    move(type, divisor.reg, b);
    b = divisor;
  }
  move(type, rax, a);
  const Condition not_zero = test(wide, b, scratch);
  branch(negate(not_zero), trap_label(TrapCode::IntegerDivideByZero));
  if (is_signed_division(op)) {
    // The quotient of the least integer and -1 is not representable, and idiv faults.
    if (b.is_register()) {
      a_.cmp(gp(b.reg, wide), Imm(-1));
    } else {
      a_.cmp(memory(b, wide ? 8 : 4), Imm(-1));
    }
    ColdPath& path =
        cold(op == IntBinary::DivS ? ColdPath::Kind::DivideByMinusOne : ColdPath::Kind::RemainderByMinusOne);
    path.wide = wide;
    const Label resume = path.resume;
    branch(Condition::Equal, path.entry);
    if (wide) {
      a_.cqo();
    } else {
      a_.cdq();
    }
    emit_division(x86::Inst::kIdIdiv, wide, b);
    bind(resume);
  } else {
    a_.xor_(x86::edx, x86::edx);
    emit_division(x86::Inst::kIdDiv, wide, b);
  }
  return is_remainder(op) ? rdx : rax;
}

void X86Selection::emit_division(InstId inst, bool wide, Operand divisor) {
  if (divisor.is_register()) {
    a_.emit(inst, gp(divisor.reg, wide));
  } else {
    a_.emit(inst, memory(divisor, wide ? 8 : 4));
  }
}

bool X86Selection::divide_by_constant(IntBinary op, bool wide, Reg dst, Operand a, std::uint64_t bits,
                                      Scratch& scratch) {
  if (!wide) bits &= 0xffff'ffff;
  const bool is_power = std::has_single_bit(bits);
  const auto log2 = static_cast<unsigned>(std::countr_zero(bits));
  switch (op) {
    case IntBinary::DivU:
      if (!is_power) return false;
      shift_constant(IntBinary::ShrU, wide, dst, a, log2);
      return true;
    case IntBinary::RemU:
      if (!is_power) return false;
      int_binary(IntBinary::And, wide, dst, a, Operand::constant(bits - 1), scratch);
      return true;
    default:
      // The least integer is a power of two only without its sign.
      if (!is_power || log2 == 0 || log2 + 1 == (wide ? 64U : 32U)) return false;
      divide_signed_power(is_remainder(op), wide, dst, a, log2, scratch);
      return true;
  }
}

// Rounds towards zero: negative dividends are biased by 2^log2 - 1 first.
void X86Selection::divide_signed_power(bool remainder, bool wide, Reg dst, Operand a, unsigned log2, Scratch& scratch) {
  const ValueType type = wide ? ValueType::I64 : ValueType::I32;
  const unsigned width = wide ? 64 : 32;
  const Reg dividend = in_general(wide, a, scratch);
  const Reg biased = scratch.general();
  move(type, biased, Operand::in(dividend));
  if (log2 > 1) a_.sar(gp(biased, wide), Imm(width - 1));
  a_.shr(gp(biased, wide), Imm(width - log2));
  a_.add(gp(biased, wide), gp(dividend, wide));
  if (!remainder) {
    a_.sar(gp(biased, wide), Imm(log2));
    move(type, dst, Operand::in(biased));
    return;
  }
  // dividend - (biased with its low bits cleared)
  a_.shr(gp(biased, wide), Imm(log2));
  a_.shl(gp(biased, wide), Imm(log2));
  move(type, dst, Operand::in(dividend));
  a_.sub(gp(dst, wide), gp(biased, wide));
}

// rax holds the dividend, the divisor is -1.
void X86Selection::emit_cold_division(const ColdPath& path) {
  if (path.kind == ColdPath::Kind::DivideByMinusOne) {
    a_.neg(gp(rax, path.wide));
    branch(Condition::Overflow, trap_label(TrapCode::IntegerOverflow));
  } else {
    a_.xor_(x86::edx, x86::edx);
  }
  jump(path.resume);
}

}  // namespace shunt::wasm::baseline
