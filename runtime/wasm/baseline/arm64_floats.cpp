// arm64: float arithmetic. NaN results are what the instructions give: a NaN operand made quiet, or the default NaN,
// both allowed by WebAssembly (Core Specification 2.0, 4.3.3, "NaN propagation"). FMIN and FMAX order zeros by their
// sign and give NaN if either operand is one, as WebAssembly's do.
#include "runtime/wasm/baseline/arm64_selection.h"

namespace shunt::wasm::baseline {

using namespace asmjit;  // NOLINT(google-build-using-namespace): mnemonics and registers

void Arm64Selection::float_binary(FloatBinary op, ValueType type, Reg dst, Operand a, Operand b, Scratch&) {
  if (op == FloatBinary::Copysign) {
    copysign(type, dst, a, b);
    return;
  }
  const Vec result = vec(dst, type);
  const Vec left = vec(in_float(type, a, v30), type);
  const Vec right = vec(in_float(type, b, v31), type);
  switch (op) {
    case FloatBinary::Add:
      a_.fadd(result, left, right);
      return;
    case FloatBinary::Sub:
      a_.fsub(result, left, right);
      return;
    case FloatBinary::Mul:
      a_.fmul(result, left, right);
      return;
    case FloatBinary::Div:
      a_.fdiv(result, left, right);
      return;
    case FloatBinary::Min:
      a_.fmin(result, left, right);
      return;
    default:
      a_.fmax(result, left, right);
  }
}

// Replaces the sign bit of `a` by that of `b`.
void Arm64Selection::copysign(ValueType type, Reg dst, Operand a, Operand b) {
  const Reg value = in_float(type, a, v30);
  Reg sign = in_float(type, b, v31);
  if (sign == dst) {
    move(type, v31, Operand::in(sign));
    sign = v31;
  }
  move(type, dst, Operand::in(value));
  const Reg mask = v30;  // free again
  const bool wide = type == ValueType::F64;
  move_constant(wide, x17, wide ? 0x8000'0000'0000'0000 : 0x8000'0000);
  a_.fmov(vec(mask, type), gp(x17, wide));
  a_.bit(a64::v(dst.id()).b8(), a64::v(sign.id()).b8(), a64::v(mask.id()).b8());
}

void Arm64Selection::float_unary(FloatUnary op, ValueType type, Reg dst, Operand src, Scratch&) {
  const Vec result = vec(dst, type);
  const Vec value = vec(in_float(type, src, v31), type);
  switch (op) {
    case FloatUnary::Abs:
      a_.fabs(result, value);
      return;
    case FloatUnary::Neg:
      a_.fneg(result, value);
      return;
    case FloatUnary::Nearest:
      a_.frintn(result, value);
      return;
    case FloatUnary::Floor:
      a_.frintm(result, value);
      return;
    case FloatUnary::Ceil:
      a_.frintp(result, value);
      return;
    case FloatUnary::Trunc:
      a_.frintz(result, value);
      return;
    case FloatUnary::Sqrt:
      a_.fsqrt(result, value);
      return;
  }
}

void Arm64Selection::resize_float(ValueType to, Reg dst, Operand src) {
  const ValueType from = to == ValueType::F64 ? ValueType::F32 : ValueType::F64;
  a_.fcvt(vec(dst, to), vec(in_float(from, src, v31), from));
}

void Arm64Selection::reinterpret(ValueType to, Reg dst, Operand src) {
  if (!src.is_register()) {  // the same bits, wherever they are
    move(to, dst, src);
    return;
  }
  const bool wide = is_wide(to);
  if (class_of(to) == RegClass::General) {
    a_.fmov(gp(dst, wide), vec(src.reg, wide));
  } else {
    a_.fmov(vec(dst, to), gp(src.reg, wide));
  }
}

Arm64Selection::Condition Arm64Selection::compare(FloatCompare op, ValueType type, Operand a, Operand b, Scratch&) {
  const Vec left = vec(in_float(type, a, v30), type);
  if (b.is_constant() && b.bits == 0) {
    a_.fcmp(left, Imm(0.0));
  } else {
    a_.fcmp(left, vec(in_float(type, b, v31), type));
  }
  switch (op) {
    case FloatCompare::Eq:
      return Condition::EQ;
    case FloatCompare::Ne:
      return Condition::NE;
    case FloatCompare::Lt:
      return Condition::MI;
    case FloatCompare::Gt:
      return Condition::GT;
    case FloatCompare::Le:
      return Condition::LS;
    default:
      return Condition::GE;
  }
}

}  // namespace shunt::wasm::baseline
