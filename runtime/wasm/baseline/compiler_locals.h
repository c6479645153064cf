// FunctionCompiler: locals, globals, and where results go. Included by function_compiler.h.
#pragma once

#include "runtime/wasm/baseline/function_compiler.h"

namespace shunt::wasm::baseline {

// local.set, and local.tee if the value stays on the stack.
template <Selection S>
void FunctionCompiler<S>::local_set(std::uint32_t local, bool keeps) {
  const Entry value = stack_.pop();
  const ValueType type = body_->locals[local];
  if (value.kind == Entry::Kind::Local && value.index == local) {
    if (keeps) stack_.push_local(type, local);
    return;
  }
  stack_.detach(local);
  assign_from(local, value);
  if (!keeps) return;
  if (value.kind == Entry::Kind::Constant) {
    stack_.push_constant(type, value.bits);
  } else if (value.kind == Entry::Kind::Register && !pinning_.of(local).valid()) {
    stack_.push_register(type, value.reg);
  } else {
    stack_.push_local(type, local);
  }
}

template <Selection S>
void FunctionCompiler<S>::assign_from(std::uint32_t local, const Entry& entry) {
  const ValueType type = body_->locals[local];
  Operand value = stack_.operand(entry);
  if (const Reg pin = pinning_.of(local); pin.valid()) {
    activate(local);
    s_.move(type, pin, value);
    return;
  }
  if (value.is_frame()) value = Operand::in(stack_.in_register(entry));
  s_.store_frame(type, frame_.home(local), value);
}

// Whether `local.tee x; local.set y; local.get x` stands at `position` and x ends there: then it means `local.tee y`.
// Compilers write loop counters so. Both are pinned, which makes their ranges exact, and y's register is y's already.
template <Selection S>
bool FunctionCompiler<S>::is_copy(std::uint32_t position) const {
  if (kind_at(position) != OpKind::LocalTee || kind_at(position + 1) != OpKind::LocalSet ||
      kind_at(position + 2) != OpKind::LocalGet) {
    return false;
  }
  const std::uint32_t x = op_at(position).a;
  const std::uint32_t y = op_at(position + 1).a;
  if (op_at(position + 2).a != x || x == y || !pinning_.of(x).valid() || !pinning_.of(y).valid()) return false;
  return analysis_.locals()[x].end == position + 2 && analysis_.locals()[y].begin <= position;
}

// From now on the local lives in its register.
template <Selection S>
void FunctionCompiler<S>::activate(std::uint32_t local) {
  const Reg pin = pinning_.of(local);
  if (!stack_.is_active(pin)) stack_.activate(pin);
}

// A register for the result of the operation at position_, whose operands have been popped: the one of the local that
// the next operation assigns, or one of the operands' own, or a free one. push_result() must follow.
template <Selection S>
Reg FunctionCompiler<S>::destination(ValueType type, const Entry* first, const Entry* second) {
  const Op& next = op_at(position_ + 1);
  const OpKind kind = info_of(next.opcode).kind;
  if (kind == OpKind::LocalSet || kind == OpKind::LocalTee) {
    const std::uint32_t local = is_copy(position_ + 1) ? op_at(position_ + 2).a : next.a;
    const Reg pin = pinning_.of(local);
    if (pin.valid() && !stack_.is_owned(pin)) {
      stack_.detach(local);
      stack_.hold(pin);
      hinted_ = local;
      return pin;
    }
  }
  for (const Entry* operand : {first, second}) {
    if (operand != nullptr && stack_.is_temporary(*operand) && operand->reg.cls() == class_of(type))
      return operand->reg;
  }
  return stack_.take(class_of(type));
}

// The result, or the assignment that destination() foresaw.
template <Selection S>
void FunctionCompiler<S>::push_result(ValueType type, Reg reg) {
  if (hinted_ == none) {
    stack_.push_register(type, reg);
    return;
  }
  const std::uint32_t local = hinted_;
  const Reg pin = pinning_.of(local);
  hinted_ = none;
  activate(local);
  s_.move(type, pin, Operand::in(reg));
  ++position_;
  if (kind_at(position_) != OpKind::LocalTee) return;
  if (op_at(position_).a != local) position_ += 2;  // is_copy(position_)
  stack_.push_local(type, local);
}

// --- globals ---

// Base register and offset of a global's cell. May take a register.
template <Selection S>
std::pair<Reg, std::int32_t> FunctionCompiler<S>::global_place(std::uint32_t global) {
  const std::uint32_t imported = module_.module->imported_globals;
  if (global >= imported) {
    return {S::context, static_cast<std::int32_t>(own_globals_offset + sizeof(GlobalCell) * (global - imported))};
  }
  const Reg cell = stack_.take(RegClass::General);
  s_.load_field(ValueType::I64, cell, S::context, offsetof(VmContext, imported_globals));
  s_.load_field(ValueType::I64, cell, cell, static_cast<std::int32_t>(sizeof(GlobalCell*) * global));
  return {cell, 0};
}

template <Selection S>
void FunctionCompiler<S>::global_get(std::uint32_t global) {
  const GlobalInfo& info = module_.module->globals[global];
  const ValueType type = info.type.type;
  if (!info.type.is_mutable && !info.import && info.init.kind == ConstExpr::Kind::Const) {
    stack_.push_constant(type, info.init.bits);
    return;
  }
  const auto [base, offset] = global_place(global);
  const Reg dst = destination(type);
  s_.load_field(type, dst, base, offset);
  push_result(type, dst);
}

template <Selection S>
void FunctionCompiler<S>::global_set(std::uint32_t global) {
  const Entry value = stack_.pop();
  const auto [base, offset] = global_place(global);
  s_.store_field(value.type, base, offset, stack_.operand(value), stack_);
}

}  // namespace shunt::wasm::baseline
