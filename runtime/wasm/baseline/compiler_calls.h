// FunctionCompiler: calls of functions and of the runtime. Included by function_compiler.h.
#pragma once

#include <array>

#include "runtime/wasm/baseline/function_compiler.h"

namespace shunt::wasm::baseline {

template <Selection S>
void FunctionCompiler<S>::call(const Op& op) {
  if (module_.is_flag(op.a)) {
    read_flag(op);
    return;
  }
  const SignatureLayout& layout = module_.layout_of(op.a);
  if (module_.flags->is_string(op.a)) {
    const std::array<std::uint64_t, 1> import = {op.a};
    call_builtin(Builtin::FlagString, 2, import, ValueType::I32);
    return;
  }
  pass_arguments(layout);
  if (module_.calls_by_reference(op.a)) {
    s_.call_import(op.a, frame_);
  } else {
    s_.call(module_.entries[op.a - module_.module->imported_functions]);
  }
  take_results(layout);
}

template <Selection S>
void FunctionCompiler<S>::call_indirect(const Op& op) {
  const Entry index = stack_.pop();
  // Before the arguments are in place: the checks may need registers that they use. The reference itself is in none of
  // them.
  const Reg reference = s_.function_reference(stack_.operand(index), op.b, module_.canonical_types[op.a], stack_);
  stack_.end_operation();
  stack_.hold(reference);
  pass_arguments(module_.types[op.a]);
  s_.call_reference(reference, frame_);
  take_results(module_.types[op.a]);
}

// Moves the arguments from the stack to where the callee expects them, and what else the call would destroy to its
// slots.
template <Selection S>
void FunctionCompiler<S>::pass_arguments(const SignatureLayout& layout) {
  const auto count = static_cast<std::uint32_t>(layout.params.size());
  const std::uint32_t first = stack_.height() - count;
  // Arguments in memory first, while all others are still entries that can make room.
  for (std::uint32_t i = 0; i < count; ++i) {
    if (layout.params[i].reg.valid()) continue;
    const Entry& entry = stack_.at(first + i);
    Operand value = stack_.operand(entry);
    Reg through;
    if (value.is_frame()) {
      through = stack_.general();
      s_.move(ValueType::I64, through, value);
      s_.store_frame(ValueType::I64, FrameLayout::outgoing(layout.params[i].word), Operand::in(through));
      stack_.release(through);
    } else {
      s_.store_frame(entry.type, FrameLayout::outgoing(layout.params[i].word), value);
    }
  }
  for (std::uint32_t i = count; i-- > 0;) {
    const Entry entry = stack_.pop();
    const Reg reg = layout.params[i].reg;
    if (reg.valid()) moves_.push_back({.type = entry.type, .dst = reg, .src = stack_.operand(entry)});
  }
  stack_.spill_registers(S::roles.destroyed_by_calls());
  move_in_parallel(s_, moves_);
}

template <Selection S>
void FunctionCompiler<S>::take_results(const SignatureLayout& layout) {
  stack_.end_operation();
  const std::span<const ValueType> results = layout.type->results;
  if (results.empty()) return;
  const ValueType last = results.back();
  const Reg last_reg = S::roles.result(class_of(last));
  stack_.hold(last_reg);
  for (std::size_t i = 0; i + 1 < results.size(); ++i) {
    const Reg reg = stack_.take(class_of(results[i]));
    s_.move(results[i], reg, Operand::at(FrameLayout::outgoing(layout.result_word(i))));
    stack_.push_register(results[i], reg);
  }
  stack_.push_register(last, last_reg);
}

// --- the runtime ---

// Calls a builtin with the top `operands` entries and then `immediates`.
template <Selection S>
void FunctionCompiler<S>::call_builtin(Builtin builtin, std::uint32_t operands,
                                       std::span<const std::uint64_t> immediates, std::optional<ValueType> result) {
  for (std::uint32_t i = operands; i-- > 0;) {
    const Entry entry = stack_.pop();
    moves_.push_back({.type = entry.type, .dst = S::builtin_arguments[i], .src = stack_.operand(entry)});
  }
  for (std::size_t i = 0; i < immediates.size(); ++i) {
    moves_.push_back(
        {.type = ValueType::I64, .dst = S::builtin_arguments[operands + i], .src = Operand::constant(immediates[i])});
  }
  stack_.spill_registers(S::roles.destroyed_by_calls());
  move_in_parallel(s_, moves_);
  s_.call_builtin(builtin);
  stack_.end_operation();
  if (result) stack_.push_register(*result, S::roles.general_result);
}

template <Selection S>
void FunctionCompiler<S>::runtime_call(const Op& op, const OpInfo& info) {
  const auto builtin = static_cast<Builtin>(info.op);
  const std::array<std::uint64_t, 1> index = {op.a};
  switch (builtin) {
    case Builtin::MemoryGrow:
      call_builtin(builtin, 1, {}, ValueType::I32);
      return;
    case Builtin::MemoryFill:
    case Builtin::MemoryCopy:
      call_builtin(builtin, 3, {}, {});
      return;
    case Builtin::MemoryInit:
    case Builtin::TableFill:
      call_builtin(builtin, 3, index, {});
      return;
    case Builtin::DataDrop:
    case Builtin::ElemDrop:
      call_builtin(builtin, 0, index, {});
      return;
    case Builtin::TableGet:
      call_builtin(builtin, 1, index, module_.module->tables[op.a].type.element);
      return;
    case Builtin::TableSet:
      call_builtin(builtin, 2, index, {});
      return;
    case Builtin::TableGrow:
      call_builtin(builtin, 2, index, ValueType::I32);
      return;
    case Builtin::TableCopy:
    case Builtin::TableInit: {
      // The first index of the two is the upper word: of the destination, of the segment.
      const std::array<std::uint64_t, 1> pair = {std::uint64_t{op.a} << 32 | op.b};
      call_builtin(builtin, 3, pair, {});
      return;
    }
    default:
      return;
  }
}

template <Selection S>
void FunctionCompiler<S>::table_size(std::uint32_t table) {
  const Reg dst = destination(ValueType::I32);
  s_.load_field(ValueType::I64, dst, S::context, offsetof(VmContext, tables));
  s_.load_field(ValueType::I64, dst, dst, static_cast<std::int32_t>(sizeof(TableView*) * table));
  s_.load_field(ValueType::I32, dst, dst, offsetof(TableView, size));
  push_result(ValueType::I32, dst);
}

template <Selection S>
void FunctionCompiler<S>::memory_size() {
  constexpr std::uint64_t page_bits = 16;
  const Reg dst = destination(ValueType::I32);
  s_.load_field(ValueType::I64, dst, S::context, offsetof(VmContext, memory));
  s_.load_field(ValueType::I64, dst, dst, offsetof(MemoryView, bytes));
  s_.int_binary(IntBinary::ShrU, true, dst, Operand::in(dst), Operand::constant(page_bits), stack_);
  push_result(ValueType::I32, dst);
}

}  // namespace shunt::wasm::baseline
