// FunctionCompiler: branches, and conditions that are consumed where they are computed. Included by
// function_compiler.h.
#pragma once

#include "runtime/wasm/baseline/function_compiler.h"

namespace shunt::wasm::baseline {

template <Selection S>
auto FunctionCompiler<S>::target(std::uint32_t depth) -> Block& {
  return blocks_[blocks_.size() - 1 - depth];
}

// Where branches to the block go. Says that there is one.
template <Selection S>
asmjit::Label FunctionCompiler<S>::label_of(Block& block) {
  if (block.forward != none) return label_of(blocks_[block.forward]);
  if (!block.label.isValid()) block.label = s_.new_label();
  return block.label;
}

template <Selection S>
void FunctionCompiler<S>::branch_to(Block& block) {
  leave_to(block, scratch_for_results(block));
}

// An unconditional branch; `scratch` is scratch_for_results().
template <Selection S>
void FunctionCompiler<S>::leave_to(Block& block, Reg scratch) {
  constexpr std::uint32_t short_epilogue = 3;  // saved registers up to which returning at once is better than a jump
  place_results(block, scratch);
  const Block& goal = block.forward != none ? blocks_[block.forward] : block;
  if (goal.kind == OpKind::Return && pinning_.saved().count() <= short_epilogue) {
    leave_function();
  } else {
    s_.jump(label_of(block));
  }
}

// `compare` emits the comparison and returns the condition.
template <Selection S>
template <class Compare>
void FunctionCompiler<S>::branch_if(Block& block, Compare compare) {
  const Reg scratch = scratch_for_results(block);
  const Condition condition = compare();  // may move operands to their slots, so the rest comes after it
  if (in_place(block)) {
    s_.branch(condition, label_of(block));
    return;
  }
  const asmjit::Label stay = s_.new_label();
  s_.branch(S::negate(condition), stay);
  place_results(block, scratch);
  s_.jump(label_of(block));
  s_.bind(stay);
}

template <Selection S>
void FunctionCompiler<S>::branch_table(const Op& op) {
  const Entry index = stack_.pop();
  const std::span<const std::uint32_t> depths = body_->br_targets.subspan(op.a, std::size_t{op.b} + 1);
  // All registers first: taking one may move a result to its slot.
  const Reg reg = stack_.is_temporary(index) ? index.reg : stack_.general();
  s_.move(ValueType::I32, reg, stack_.operand(index));
  const Reg base = stack_.general();
  const Reg scratch = scratch_for_results(target(depths.back()));
  // Every block that needs moves gets one piece of code that makes them; blocks are few, targets may be many.
  struct Detour {
    std::uint32_t depth;
    asmjit::Label label;
  };
  std::vector<Detour> detours;
  labels_.clear();
  for (const std::uint32_t depth : depths) {
    Block& block = target(depth);
    if (in_place(block)) {
      labels_.push_back(label_of(block));
      continue;
    }
    if (!block.detour.isValid()) {
      block.detour = s_.new_label();
      detours.push_back({depth, block.detour});
    }
    labels_.push_back(block.detour);
  }
  s_.branch_table(reg, std::span(labels_).first(op.b), labels_.back(), base);
  for (const Detour& detour : detours) {
    Block& block = target(detour.depth);
    s_.bind(detour.label);
    place_results(block, scratch);
    s_.jump(label_of(block));
    block.detour = {};
  }
}

// --- conditions ---

template <Selection S>
auto FunctionCompiler<S>::consumer() const -> Consumer {
  constexpr std::uint32_t longest_chain = 8;  // of i32.eqz; bounds the work for long ones
  Consumer user;
  user.position = position_;
  if (is_observed()) return user;
  std::uint32_t next = position_ + 1;
  for (; op_at(next).opcode == wabt::Opcode::I32Eqz && next - position_ <= longest_chain; ++next) {
    user.negated = !user.negated;
  }
  user.position = next;
  switch (kind_at(next)) {
    case OpKind::BrIf:
      user.kind = Consumer::Kind::BrIf;
      break;
    case OpKind::If:
      user.kind = Consumer::Kind::If;
      break;
    case OpKind::Select:
      user.kind = Consumer::Kind::Select;
      break;
    default:
      user.position = next - 1;
  }
  return user;
}

// Computes an i32 that is a condition, or what follows if that consumes it. The operands of the comparison have been
// popped; `compare` emits it and returns the condition.
template <Selection S>
template <class Compare>
void FunctionCompiler<S>::conditional(Compare compare) {
  const Consumer user = consumer();
  const auto condition = [&] { return user.negated ? S::negate(compare()) : compare(); };
  position_ = user.position;
  const Op& op = op_at(position_);
  switch (user.kind) {
    case Consumer::Kind::BrIf:
      branch_if(target(op.a), condition);
      return;
    case Consumer::Kind::If:
      open_if(op, condition);
      return;
    case Consumer::Kind::Select:
      select(condition);
      return;
    case Consumer::Kind::Value: {
      const Condition value = condition();
      const Reg dst = destination(ValueType::I32);
      s_.set(value, dst);
      push_result(ValueType::I32, dst);
    }
  }
}

// br_if, if and select whose condition is any i32.
template <Selection S>
void FunctionCompiler<S>::test_top() {
  const Entry value = stack_.pop();
  const auto condition = [&] { return s_.test(false, stack_.operand(value), stack_); };
  const Op& op = op_at(position_);
  switch (info_of(op.opcode).kind) {
    case OpKind::BrIf:
      branch_if(target(op.a), condition);
      return;
    case OpKind::If:
      open_if(op, condition);
      return;
    default:
      select(condition);
  }
}

// At a select whose condition `compare` emits.
template <Selection S>
template <class Compare>
void FunctionCompiler<S>::select(Compare compare) {
  const Entry no = stack_.pop();
  const Entry yes = stack_.pop();
  const Condition condition = compare();
  stack_.hold_only(yes, no);  // what was compared is in the flags now
  const Reg dst = destination(yes.type, &yes, &no);
  s_.select(condition, yes.type, dst, stack_.operand(yes), stack_.operand(no), stack_);
  push_result(yes.type, dst);
}

}  // namespace shunt::wasm::baseline
