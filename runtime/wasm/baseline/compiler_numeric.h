// FunctionCompiler: arithmetic, conversions, and linear memory. Included by function_compiler.h.
#pragma once

#include <utility>

#include "runtime/wasm/baseline/function_compiler.h"

namespace shunt::wasm::baseline {

template <Selection S>
void FunctionCompiler<S>::int_binary(const OpInfo& info) {
  if (int_binary_fused(info)) return;
  const auto op = static_cast<IntBinary>(info.op);
  Entry b = stack_.pop();
  Entry a = stack_.pop();
  if (is_commutative(op) && !stack_.is_temporary(a) && (stack_.is_temporary(b) || a.kind == Entry::Kind::Constant)) {
    std::swap(a, b);
  }
  const Reg dst = destination(info.result, &a);
  const bool wide = is_wide(info.result);
  if (is_division(op)) {
    push_result(info.result, s_.divide(op, wide, dst, stack_.operand(a), stack_.operand(b), stack_));
  } else {
    push_result(info.result, s_.int_binary(op, wide, dst, stack_.operand(a), stack_.operand(b), stack_));
  }
}

// Patterns of two operations: a mask that is only tested, a scaled index that is added.
template <Selection S>
bool FunctionCompiler<S>::int_binary_fused(const OpInfo& info) {
  if (is_observed()) return false;
  const auto op = static_cast<IntBinary>(info.op);
  const bool wide = is_wide(info.result);
  if (op == IntBinary::And) {
    // Of i64 operands only `i64.eqz` asks the question.
    const Consumer user = consumer();
    const bool tests = wide ? op_at(position_ + 1).opcode == wabt::Opcode::I64Eqz
                            : user.kind != Consumer::Kind::Value || user.position != position_;
    if (!tests) return false;
    if (wide) ++position_;
    const Entry b = stack_.pop();
    const Entry a = stack_.pop();
    conditional([&, wide] {
      const Condition set = s_.test_bits(wide, stack_.operand(a), stack_.operand(b), stack_);
      return wide ? S::negate(set) : set;
    });
    return true;
  }
  if (op != IntBinary::Shl || stack_.top().kind != Entry::Kind::Constant) return false;
  const std::uint64_t shift = stack_.top().bits & (wide ? 63U : 31U);
  const wabt::Opcode::Enum add = wide ? wabt::Opcode::I64Add : wabt::Opcode::I32Add;
  if (shift < 1 || shift > 3 || op_at(position_ + 1).opcode != add) return false;
  stack_.pop();
  const Entry index = stack_.pop();
  const Entry base = stack_.pop();
  const Reg index_reg = stack_.in_register(index);
  const Reg base_reg = stack_.in_register(base);
  ++position_;
  const Reg dst = destination(info.result, &index, &base);
  s_.add_scaled(wide, dst, base_reg, index_reg, static_cast<std::uint32_t>(shift));
  push_result(info.result, dst);
  return true;
}

template <Selection S>
void FunctionCompiler<S>::int_compare(const OpInfo& info) {
  const Entry b = stack_.pop();
  const Entry a = stack_.pop();
  conditional([&] {
    return s_.compare(static_cast<IntCompare>(info.op), is_wide(info.operand), stack_.operand(a), stack_.operand(b),
                      stack_);
  });
}

template <Selection S>
void FunctionCompiler<S>::int_eqz(const OpInfo& info) {
  const Entry value = stack_.pop();
  conditional([&] { return S::negate(s_.test(is_wide(info.operand), stack_.operand(value), stack_)); });
}

template <Selection S>
void FunctionCompiler<S>::float_compare(const OpInfo& info) {
  const Entry b = stack_.pop();
  const Entry a = stack_.pop();
  conditional([&] {
    return s_.compare(static_cast<FloatCompare>(info.op), info.operand, stack_.operand(a), stack_.operand(b), stack_);
  });
}

template <Selection S>
void FunctionCompiler<S>::float_binary(const OpInfo& info) {
  const auto op = static_cast<FloatBinary>(info.op);
  Entry b = stack_.pop();
  Entry a = stack_.pop();
  if (is_commutative(op) && !stack_.is_temporary(a) && stack_.is_temporary(b)) std::swap(a, b);
  const Reg dst = destination(info.result, &a);
  s_.float_binary(op, info.result, dst, stack_.operand(a), stack_.operand(b), stack_);
  push_result(info.result, dst);
}

template <Selection S>
void FunctionCompiler<S>::unary(const OpInfo& info) {
  const Entry value = stack_.pop();
  const Reg dst = destination(info.result, &value);
  if (info.kind == OpKind::IntUnary) {
    s_.int_unary(static_cast<IntUnary>(info.op), is_wide(info.result), dst, stack_.operand(value), stack_);
  } else {
    s_.float_unary(static_cast<FloatUnary>(info.op), info.result, dst, stack_.operand(value), stack_);
  }
  push_result(info.result, dst);
}

template <Selection S>
void FunctionCompiler<S>::conversion(const OpInfo& info) {
  const Entry value = stack_.pop();
  const Operand src = stack_.operand(value);
  if (info.kind == OpKind::Truncate) {
    const Reg from = stack_.in_register(value);
    const Reg dst = destination(info.result);
    s_.truncate(info, dst, from, stack_);
    push_result(info.result, dst);
    return;
  }
  if (src.is_constant() && info.kind == OpKind::Reinterpret) {
    stack_.push_constant(info.result, src.bits);
    return;
  }
  const Reg dst = destination(info.result, &value);
  switch (info.kind) {
    case OpKind::Wrap:
      s_.wrap(dst, src);
      break;
    case OpKind::Extend:
      s_.extend(info.is_signed, dst, src);
      break;
    case OpKind::Convert:
      s_.convert(info, dst, src, stack_);
      break;
    case OpKind::FloatResize:
      s_.resize_float(info.result, dst, src);
      break;
    default:
      s_.reinterpret(info.result, dst, src);
      break;
  }
  push_result(info.result, dst);
}

// --- linear memory ---

// The index register, if any, and the offset from it. A constant index joins the offset: 33 bits hold the sum.
template <Selection S>
auto FunctionCompiler<S>::address(const Entry& entry, std::uint64_t offset) -> Address {
  if (entry.kind == Entry::Kind::Constant) return {.index = {}, .offset = (entry.bits & 0xffff'ffff) + offset};
  return {.index = stack_.in_register(entry), .offset = offset};
}

template <Selection S>
void FunctionCompiler<S>::load(const Op& op, const OpInfo& info) {
  const Entry index = stack_.pop();
  const Address place = address(index, op.imm);
  if (folds_load(op, info) && place.offset <= 0x7fff'ffff) {
    const bool owned = place.index.valid() && !stack_.is_active(place.index);
    stack_.push_memory(info.result, place.index, owned, place.offset);
    return;
  }
  const Reg dst = destination(info.result, &index);
  s_.load(info, dst, place.index, place.offset, stack_);
  push_result(info.result, dst);
}

// Whether the next operation can load by itself, or the one after a constant or local.
template <Selection S>
bool FunctionCompiler<S>::folds_load(const Op&, const OpInfo& info) const {
  if (!S::folds_loads || is_observed() || info.bytes != (is_wide(info.result) ? 8 : 4)) return false;
  const OpInfo* user = &info_of(op_at(position_ + 1).opcode);
  bool is_left = false;
  if (user->kind == OpKind::LocalGet || user->kind == OpKind::Constant) {
    user = &info_of(op_at(position_ + 2).opcode);
    is_left = true;
  }
  if (user->operand != info.result) return false;
  switch (user->kind) {
    case OpKind::IntCompare:
      return true;
    case OpKind::IntBinary: {
      const auto op = static_cast<IntBinary>(user->op);
      return is_left ? is_commutative(op) : is_commutative(op) || op == IntBinary::Sub;
    }
    case OpKind::FloatBinary: {
      const auto op = static_cast<FloatBinary>(user->op);
      return is_left ? is_commutative(op) : op <= FloatBinary::Div;
    }
    default:
      return false;
  }
}

template <Selection S>
void FunctionCompiler<S>::store(const Op& op, const OpInfo& info) {
  const Entry value = stack_.pop();
  const Entry index = stack_.pop();
  const Address place = address(index, op.imm);
  Operand source = stack_.operand(value);
  if (!source.is_constant()) source = Operand::in(stack_.in_register(value));
  s_.store(info, place.index, place.offset, source, stack_);
}

}  // namespace shunt::wasm::baseline
