// FunctionCompiler: blocks, loops, ifs, and what merges expect. Included by function_compiler.h.
#pragma once

#include "runtime/wasm/baseline/function_compiler.h"

namespace shunt::wasm::baseline {

// --- opening ---

template <Selection S>
auto FunctionCompiler<S>::push_block(OpKind kind, const Op& op) -> Block& {
  const FunctionType& type = body_->block_types[op.a];
  Block block;
  block.kind = kind;
  block.type = &type;
  block.height = stack_.height() - static_cast<std::uint32_t>(type.params.size());
  block.other = analysis_.match(position_);
  block.end = block.other;
  if (kind == OpKind::If && kind_at(block.other) == OpKind::Else) block.end = analysis_.match(block.other);
  if (kind != OpKind::Loop) block.forward = forward_of(block);
  blocks_.push_back(block);
  return blocks_.back();
}

// A block whose end is followed by a plain branch: what branches to the end may go where that goes, if no values are on
// the way.
template <Selection S>
std::uint32_t FunctionCompiler<S>::forward_of(const Block& block) const {
  if (is_observed() || !block.type->results.empty() || block.end + 1 >= body_->ops.size()) return none;
  const Op& next = op_at(block.end + 1);
  const OpKind kind = info_of(next.opcode).kind;
  if (kind != OpKind::Br && kind != OpKind::Return) return none;
  // `block` is not on the stack yet, so depths count from its parent.
  const std::uint32_t index = kind == OpKind::Br ? static_cast<std::uint32_t>(blocks_.size()) - 1 - next.a : 0;
  const Block& target = blocks_[index];
  if (!label_types(target).empty()) return none;
  return target.forward != none ? target.forward : index;
}

template <Selection S>
void FunctionCompiler<S>::open_block(const Op& op) {
  const std::uint32_t height = push_block(OpKind::Block, op).height;
  stack_.flush(height);
}

template <Selection S>
void FunctionCompiler<S>::open_loop(const Op& op) {
  Block& block = push_block(OpKind::Loop, op);
  stack_.flush(block.height);
  const std::span<const ValueType> params = block.type->params;
  if (!params.empty()) {
    place_results(block, scratch_for_results(block));
    expect_results(block.height, params);
  }
  block.label = s_.new_label();
  if (module_.interrupts != nullptr) s_.align_loop();
  s_.bind(block.label);
  interrupt_site(op.offset);
  loop_site(op.offset);
}

// `compare` emits the comparison and returns the condition. Both arms start with everything in slots.
template <Selection S>
template <class Compare>
void FunctionCompiler<S>::open_if(const Op& op, Compare compare) {
  Block& block = push_block(OpKind::If, op);
  stack_.flush();
  stack_.fill_slots(block.height);
  const Condition condition = compare();
  const bool has_other_arm = block.other != block.end || !block.type->params.empty();
  if (has_other_arm) block.else_label = s_.new_label();
  s_.branch(S::negate(condition), has_other_arm ? block.else_label : label_of(block));
}

// --- closing ---

// `else`, or the implicit one of an `if` with parameters.
template <Selection S>
void FunctionCompiler<S>::close_then() {
  Block& block = blocks_.back();
  if (block.else_deferred) {
    position_ = block.end - 1;
    return;
  }
  if (reachable_) branch_to(block);
  stack_.drop_to(block.height);
  for (const ValueType type : block.type->params) stack_.push_slot(type);
  stack_.flush();
  s_.bind(block.else_label);
  block.in_else = true;
  reachable_ = true;
}

template <Selection S>
void FunctionCompiler<S>::close_block() {
  if (blocks_.back().kind == OpKind::Return) {
    close_function();
    return;
  }
  if (blocks_.back().kind == OpKind::If && !blocks_.back().in_else && blocks_.back().else_label.isValid()) close_then();
  const Block block = blocks_.back();
  if (block.kind != OpKind::Loop && block.label.isValid()) {
    if (reachable_) place_results(block, scratch_for_results(block));
    s_.bind(block.label);
    expect_results(block.height, block.type->results);
    reachable_ = true;
  }
  blocks_.pop_back();
  if (!reachable_) make_unreachable();
}

template <Selection S>
void FunctionCompiler<S>::close_function() {
  Block& function = blocks_.back();
  if (reachable_) place_results(function, scratch_for_results(function));
  if (function.label.isValid()) s_.bind(function.label);
  if (reachable_ || function.label.isValid()) leave_function();
  function.label = {};
}

template <Selection S>
void FunctionCompiler<S>::leave_function() {
  trace_site(op_at(position_).offset, true);
  s_.leave_function(frame_, pinning_.saved());
}

// What follows up to the else or end of the innermost block is not compiled.
template <Selection S>
void FunctionCompiler<S>::make_unreachable() {
  const Block& block = blocks_.back();
  reachable_ = false;
  stack_.drop_to(block.height);
  // The walk adds one.
  position_ = (block.in_else ? block.end : block.other) - 1;
}

// --- what merges expect ---

template <Selection S>
std::span<const ValueType> FunctionCompiler<S>::label_types(const Block& block) const {
  return block.kind == OpKind::Loop ? block.type->params : block.type->results;
}

// Whether the results on the stack are where a merge expects them already.
template <Selection S>
bool FunctionCompiler<S>::in_place(const Block& block) const {
  const std::size_t count = label_types(block).size();
  if (count == 0) return true;
  if (block.kind == OpKind::Return) return false;
  for (std::size_t i = 0; i < count; ++i) {
    const Entry& entry = stack_.top(static_cast<std::uint32_t>(count - 1 - i));
    const bool is_last = i + 1 == count;
    if (is_last ? !stack_.operand(entry).is(S::roles.result(class_of(entry.type)))
                : entry.kind != Entry::Kind::Slot || entry.index != block.height + i) {
      return false;
    }
  }
  return true;
}

// A general register for moves from frame to frame that place_results() may make, or none. Taking it may emit stores,
// so it must be taken where the code is not conditional.
template <Selection S>
Reg FunctionCompiler<S>::scratch_for_results(const Block& block) {
  return label_types(block).size() > 1 ? stack_.general() : Reg{};
}

// Moves the results on top of the stack to where the merge expects them. The entries stay as they are: on a conditional
// branch the other path goes on with them.
template <Selection S>
void FunctionCompiler<S>::place_results(const Block& block, Reg scratch) {
  // Results move towards the stack's bottom or stay, so in ascending order none overwrites a later one's slot.
  const std::size_t count = label_types(block).size();
  for (std::size_t i = 0; i + 1 < count; ++i) {
    place_result(block, i, stack_.top(static_cast<std::uint32_t>(count - 1 - i)), scratch);
  }
  if (count == 0) return;
  const Entry& last = stack_.top();
  s_.move(last.type, S::roles.result(class_of(last.type)), stack_.operand(last));
}

template <Selection S>
void FunctionCompiler<S>::place_result(const Block& block, std::size_t index, const Entry& entry, Reg scratch) {
  const auto offset = static_cast<std::uint32_t>(index);
  if (entry.kind == Entry::Kind::Slot && block.kind != OpKind::Return && entry.index == block.height + offset) return;
  const std::int32_t place = block.kind == OpKind::Return
                                 ? s_.incoming(frame_, pinning_.saved(), layout_->result_word(index))
                                 : frame_.slot(block.height + offset);
  const Operand value = stack_.operand(entry);
  if (value.is_frame()) {
    s_.move(ValueType::I64, scratch, value);
    s_.store_frame(ValueType::I64, place, Operand::in(scratch));
  } else {
    s_.store_frame(entry.type, place, value);
  }
}

// The stack behind a merge.
template <Selection S>
void FunctionCompiler<S>::expect_results(std::uint32_t height, std::span<const ValueType> types) {
  stack_.drop_to(height);
  stack_.end_operation();
  for (std::size_t i = 0; i < types.size(); ++i) {
    if (i + 1 == types.size()) {
      stack_.push_register(types[i], S::roles.result(class_of(types[i])));
    } else {
      stack_.push_slot(types[i]);
    }
  }
}

}  // namespace shunt::wasm::baseline
