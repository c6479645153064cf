// FunctionCompiler: loops' heads, where a frame may leave for optimised code. Included by function_compiler.h.
//
// The code that does it stands behind the function. A site's stub (entry_stubs.h) jumps there with a LoopEntry:
//
//   make room for slots below the frame; store the locals and the operand stack there
//   call the LoopEntry
//   take the results from the slots to where the function returns them, and return
#pragma once

#include <algorithm>

#include "runtime/wasm/baseline/function_compiler.h"

namespace shunt::wasm::baseline {

template <Selection S>
void FunctionCompiler<S>::loop_site(std::uint32_t module_offset) {
  if (module_.tiers == nullptr || !module_.tiers->counts()) return;
  const std::uint32_t function = body_->function;
  const std::size_t head =
      module_.tiers->add_loop(s_, function, function - module_.module->imported_functions, module_offset);
  loop_exits_.push_back({.head = head, .position = position_, .operands = stack_.snapshot().entries});
}

// The same for all of a function's loops.
template <Selection S>
std::uint32_t FunctionCompiler<S>::slot_words() const {
  const std::size_t state = body_->locals.size() + analysis_.max_height();
  return static_cast<std::uint32_t>(std::max(state, body_->type->results.size()));
}

template <Selection S>
void FunctionCompiler<S>::leave_loops() {
  constexpr std::uint32_t most_words = 4096;  // far less than what is unmapped below a guest's stack
  if (slot_words() <= most_words) {
    for (const LoopExit& exit : loop_exits_) {
      module_.tiers->heads()[exit.head].leave = s_.offset();
      leave_loop(exit);
    }
  }
  loop_exits_.clear();
}

template <Selection S>
void FunctionCompiler<S>::leave_loop(const LoopExit& exit) {
  const std::uint32_t words = slot_words();
  const std::int32_t below = s_.open_slots(frame_, words);
  const Reg through = S::roles.general_result;
  const auto locals = static_cast<std::uint32_t>(body_->locals.size());
  const auto slot = [](std::size_t index) { return static_cast<std::int32_t>(8 * index); };
  const auto copy = [&](std::int32_t from, std::int32_t to) {
    s_.move(ValueType::I64, through, Operand::at(from));
    s_.store_frame(ValueType::I64, to, Operand::in(through));
  };
  const auto is_live = [&](std::uint32_t local) {
    const LocalRange& range = analysis_.locals()[local];
    return range.weight != 0 && range.begin <= exit.position && exit.position <= range.end;
  };
  // 1. What is in registers, before one is used for the rest.
  for (std::uint32_t local = 0; local < locals; ++local) {
    const Reg pin = pinning_.of(local);
    if (pin.valid() && is_live(local)) s_.store_frame(body_->locals[local], slot(local), Operand::in(pin));
  }
  for (std::size_t i = 0; i < exit.operands.size(); ++i) {
    const Entry& entry = exit.operands[i];
    if (entry.kind != Entry::Kind::Slot) s_.store_frame(entry.type, slot(locals + i), stack_.operand(entry));
  }
  // 2. What is in the frame.
  for (std::uint32_t local = 0; local < locals; ++local) {
    if (!pinning_.of(local).valid() && is_live(local)) copy(frame_.home(local) + below, slot(local));
  }
  for (std::size_t i = 0; i < exit.operands.size(); ++i) {
    const Entry& entry = exit.operands[i];
    if (entry.kind == Entry::Kind::Slot) copy(frame_.slot(entry.index) + below, slot(locals + i));
  }
  // 3. The rest of the function, there.
  s_.call_loop_entry(frame_, words);
  // 4. The results to where place_results() has them.
  const std::span<const ValueType> results = body_->type->results;
  for (std::size_t i = 0; i + 1 < results.size(); ++i) {
    copy(slot(i), s_.incoming(frame_, pinning_.saved(), layout_->result_word(i)) + below);
  }
  if (!results.empty()) {
    s_.move(results.back(), S::roles.result(class_of(results.back())), Operand::at(slot(results.size() - 1)));
  }
  s_.close_slots(frame_, words);
  s_.leave_function(frame_, pinning_.saved());
}

}  // namespace shunt::wasm::baseline
