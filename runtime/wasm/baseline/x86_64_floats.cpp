// x86-64: float arithmetic. NaN results are what the instructions give: the first NaN operand made quiet, or the
// default NaN, both allowed by WebAssembly (Core Specification 2.0, 4.3.3, "NaN propagation").
#include <utility>

#include "runtime/wasm/baseline/x86_64_selection.h"

namespace shunt::wasm::baseline {

using namespace asmjit;  // NOLINT(google-build-using-namespace): mnemonics and registers

// One of two instructions by type, with any operand on its right side.
void X86Selection::emit_float(InstId single, InstId twice, ValueType type, Reg dst, Operand src) {
  const InstId inst = type == ValueType::F64 ? twice : single;
  if (src.is_register()) {
    a_.emit(inst, xmm(dst), xmm(src.reg));
  } else {
    a_.emit(inst, xmm(dst), src.is_constant() ? literal(type, src.bits) : memory(src, is_wide(type) ? 8 : 4));
  }
}

X86Selection::Mem X86Selection::mask(ValueType type, bool sign_only) {
  const std::size_t which = type == ValueType::F64 ? 1 : 0;
  return Mem(sign_only ? sign_masks_[which] : magnitude_masks_[which], 0, 16);
}

void X86Selection::float_binary(FloatBinary op, ValueType type, Reg dst, Operand a, Operand b, Scratch& scratch) {
  if (op == FloatBinary::Copysign) {
    copysign(type, dst, a, b, scratch);
    return;
  }
  if (op == FloatBinary::Min || op == FloatBinary::Max) {
    min_max(op == FloatBinary::Min, type, dst, a, b, scratch);
    return;
  }
  if (b.is(dst) && !a.is(dst)) {
    if (is_commutative(op)) {
      std::swap(a, b);
    } else {
      b = Operand::in(scratch.floating());
      move(type, b.reg, Operand::in(dst));
    }
  }
  move(type, dst, a);
  switch (op) {
    case FloatBinary::Add:
      emit_float(x86::Inst::kIdAddss, x86::Inst::kIdAddsd, type, dst, b);
      return;
    case FloatBinary::Sub:
      emit_float(x86::Inst::kIdSubss, x86::Inst::kIdSubsd, type, dst, b);
      return;
    case FloatBinary::Mul:
      emit_float(x86::Inst::kIdMulss, x86::Inst::kIdMulsd, type, dst, b);
      return;
    default:
      emit_float(x86::Inst::kIdDivss, x86::Inst::kIdDivsd, type, dst, b);
  }
}

// minsd and maxsd return their second operand for zeros of either sign and for NaNs; these two cases are told apart
// first.
void X86Selection::min_max(bool is_min, ValueType type, Reg dst, Operand a, Operand b, Scratch& scratch) {
  Reg right = in_float(type, b, scratch);
  if (right == dst && !a.is(dst)) {
    right = scratch.floating();
    move(type, right, Operand::in(dst));
  }
  move(type, dst, a);
  const Operand other = Operand::in(right);
  const Label differ = new_label();
  const Label unordered = new_label();
  const Label done = new_label();
  emit_float(x86::Inst::kIdUcomiss, x86::Inst::kIdUcomisd, type, dst, other);
  a_.jne(differ);
  a_.jp(unordered);
  a_.emit(is_min ? x86::Inst::kIdOrps : x86::Inst::kIdAndps, xmm(dst), xmm(right));  // equal: combine the signs
  a_.jmp(done);
  bind(unordered);
  emit_float(x86::Inst::kIdAddss, x86::Inst::kIdAddsd, type, dst, other);
  a_.jmp(done);
  bind(differ);
  if (is_min) {
    emit_float(x86::Inst::kIdMinss, x86::Inst::kIdMinsd, type, dst, other);
  } else {
    emit_float(x86::Inst::kIdMaxss, x86::Inst::kIdMaxsd, type, dst, other);
  }
  bind(done);
}

void X86Selection::copysign(ValueType type, Reg dst, Operand a, Operand b, Scratch& scratch) {
  const Reg sign = scratch.floating();
  move(type, sign, b);
  a_.andps(xmm(sign), mask(type, true));
  move(type, dst, a);
  a_.andps(xmm(dst), mask(type, false));
  a_.orps(xmm(dst), xmm(sign));
}

void X86Selection::float_unary(FloatUnary op, ValueType type, Reg dst, Operand src, Scratch&) {
  constexpr int no_inexact = 8;
  const auto round = [&](int mode) {
    const InstId inst = type == ValueType::F64 ? x86::Inst::kIdRoundsd : x86::Inst::kIdRoundss;
    if (src.is_register()) {
      a_.emit(inst, xmm(dst), xmm(src.reg), Imm(mode | no_inexact));
    } else {
      const Mem source = src.is_constant() ? literal(type, src.bits) : memory(src, is_wide(type) ? 8 : 4);
      a_.emit(inst, xmm(dst), source, Imm(mode | no_inexact));
    }
  };
  switch (op) {
    case FloatUnary::Abs:
      move(type, dst, src);
      a_.andps(xmm(dst), mask(type, false));
      return;
    case FloatUnary::Neg:
      move(type, dst, src);
      a_.xorps(xmm(dst), mask(type, true));
      return;
    case FloatUnary::Nearest:
      round(0);
      return;
    case FloatUnary::Floor:
      round(1);
      return;
    case FloatUnary::Ceil:
      round(2);
      return;
    case FloatUnary::Trunc:
      round(3);
      return;
    case FloatUnary::Sqrt:
      emit_float(x86::Inst::kIdSqrtss, x86::Inst::kIdSqrtsd, type, dst, src);
      return;
  }
}

void X86Selection::resize_float(ValueType to, Reg dst, Operand src) {
  const bool widens = to == ValueType::F64;
  const InstId inst = widens ? x86::Inst::kIdCvtss2sd : x86::Inst::kIdCvtsd2ss;
  if (src.is_register()) {
    a_.emit(inst, xmm(dst), xmm(src.reg));
  } else {
    const ValueType from = widens ? ValueType::F32 : ValueType::F64;
    a_.emit(inst, xmm(dst), src.is_constant() ? literal(from, src.bits) : memory(src, widens ? 4 : 8));
  }
}

void X86Selection::reinterpret(ValueType to, Reg dst, Operand src) {
  if (!src.is_register()) {  // the same bits, wherever they are
    move(to, dst, src);
    return;
  }
  switch (to) {
    case ValueType::I32:
      a_.movd(gpd(dst), xmm(src.reg));
      return;
    case ValueType::I64:
      a_.movq(gpq(dst), xmm(src.reg));
      return;
    case ValueType::F32:
      a_.movd(xmm(dst), gpd(src.reg));
      return;
    default:
      a_.movq(xmm(dst), gpq(src.reg));
  }
}

}  // namespace shunt::wasm::baseline
