// FunctionCompiler: the loop over operations, and the function's entry. Included by function_compiler.h.
#pragma once

#include <algorithm>

#include "runtime/wasm/baseline/function_compiler.h"

namespace shunt::wasm::baseline {

template <Selection S>
bool FunctionCompiler<S>::compile(const FunctionBody& body) {
  body_ = &body;
  layout_ = &module_.layout_of(body.function);
  analysis_.run(body, module_);
  if (is_observed()) analysis_.keep_all_in_frame(body);
  pinning_.assign(body, analysis_, *layout_, S::roles);
  frame_.assign(body, analysis_, pinning_, S::saved_words(pinning_.saved(), analysis_.is_leaf()), S::red_zone);
  s_.at(body.offset);
  if (frame_.is_excessive()) {
    s_.trap(TrapCode::StackOverflow);
    return true;
  }
  if (is_observed()) module_.debug->begin(body, frame_);
  stack_.reset(body.locals.size(), S::roles.temporaries | S::roles.volatiles | pinning_.saved());
  blocks_.clear();
  next_end_ = 0;
  reachable_ = true;
  out_of_line_ = false;
  enter();
  position_ = 0;
  walk(static_cast<std::uint32_t>(body.ops.size()));
  compile_deferred();
  if (is_observed()) module_.debug->emit_stubs(s_);
  s_.finish_function();
  leave_loops();
  return !stack_.exhausted();
}

// Up to, without, `end`.
template <Selection S>
void FunctionCompiler<S>::walk(std::uint32_t end) {
  while (position_ < end) {
    retire_locals(position_);
    stack_.end_operation();
    const Op& op = op_at(position_);
    if (s_.offset() > module_.module->limits.machine_code_bytes) throw CodeTooLarge{};
    s_.at(op.offset);
    if (is_observed() && reachable_) debug_site(op.offset);
    step(op, info_of(op.opcode));
    ++position_;
  }
}

template <Selection S>
void FunctionCompiler<S>::step(const Op& op, const OpInfo& info) {
  switch (info.kind) {
    case OpKind::LocalGet:
      local_get(op.a);
      return;
    case OpKind::LocalSet:
      local_set(op.a, false);
      return;
    case OpKind::LocalTee:
      if (is_copy(position_)) {
        local_set(op_at(position_ + 1).a, true);
        position_ += 2;
      } else {
        local_set(op.a, true);
      }
      return;
    case OpKind::Constant:
      stack_.push_constant(info.result, op.imm);
      return;
    case OpKind::Load:
      load(op, info);
      return;
    case OpKind::Store:
      store(op, info);
      return;
    case OpKind::IntBinary:
      int_binary(info);
      return;
    case OpKind::IntCompare:
      int_compare(info);
      return;
    case OpKind::IntEqz:
      int_eqz(info);
      return;
    case OpKind::FloatCompare:
      float_compare(info);
      return;
    case OpKind::FloatBinary:
      float_binary(info);
      return;
    case OpKind::IntUnary:
    case OpKind::FloatUnary:
      unary(info);
      return;
    case OpKind::Wrap:
    case OpKind::Extend:
    case OpKind::Truncate:
    case OpKind::Convert:
    case OpKind::FloatResize:
    case OpKind::Reinterpret:
      conversion(info);
      return;
    case OpKind::GlobalGet:
      global_get(op.a);
      return;
    case OpKind::GlobalSet:
      global_set(op.a);
      return;
    default:
      step_control(op, info);
  }
}

template <Selection S>
void FunctionCompiler<S>::step_control(const Op& op, const OpInfo& info) {
  switch (info.kind) {
    case OpKind::Block:
      open_block(op);
      return;
    case OpKind::Loop:
      open_loop(op);
      return;
    case OpKind::If:
    case OpKind::BrIf:
    case OpKind::Select:
      test_top();
      return;
    case OpKind::Else:
      close_then();
      return;
    case OpKind::End:
      close_block();
      return;
    case OpKind::Br:
      branch_to(target(op.a));
      make_unreachable();
      return;
    case OpKind::BrTable:
      branch_table(op);
      make_unreachable();
      return;
    case OpKind::Return:
      branch_to(blocks_.front());
      make_unreachable();
      return;
    case OpKind::Unreachable:
      s_.trap(TrapCode::Unreachable);
      make_unreachable();
      return;
    case OpKind::Call:
      call(op);
      return;
    case OpKind::CallIndirect:
      call_indirect(op);
      return;
    case OpKind::Drop:
      stack_.pop();
      return;
    default:
      step_reference(op, info);
  }
}

template <Selection S>
void FunctionCompiler<S>::step_reference(const Op& op, const OpInfo& info) {
  switch (info.kind) {
    case OpKind::Runtime:
      runtime_call(op, info);
      return;
    case OpKind::MemorySize:
      memory_size();
      return;
    case OpKind::TableSize:
      table_size(op.a);
      return;
    case OpKind::RefNull:
      stack_.push_constant(static_cast<ValueType>(op.a), 0);
      return;
    case OpKind::RefIsNull: {
      const Entry value = stack_.pop();
      conditional([&] { return S::negate(s_.test(true, stack_.operand(value), stack_)); });
      return;
    }
    case OpKind::RefFunc: {
      const Reg dst = destination(ValueType::FuncRef);
      s_.load_field(ValueType::FuncRef, dst, S::context, offsetof(VmContext, functions));
      s_.int_binary(IntBinary::Add, true, dst, Operand::in(dst),
                    Operand::constant(std::uint64_t{op.a} * sizeof(FuncRef)), stack_);
      push_result(ValueType::FuncRef, dst);
      return;
    }
    default:
      return;  // nop
  }
}

// --- entry ---

template <Selection S>
void FunctionCompiler<S>::enter() {
  s_.enter_function(frame_, pinning_.saved());
  bring_arguments();
  zero_locals();
  trace_site(body_->offset, false);
  if (!analysis_.is_leaf()) interrupt_site(body_->offset);
  Block& function = blocks_.emplace_back();
  function.kind = OpKind::Return;
  function.end = static_cast<std::uint32_t>(body_->ops.size() - 1);
  function.other = function.end;
  function.type = body_->type;
  seek(0);
}

// Parameters go from where they arrive to where they live; those that are never read stay behind.
template <Selection S>
void FunctionCompiler<S>::bring_arguments() {
  const std::span<const LocalRange> locals = analysis_.locals();
  for (std::uint32_t param = 0; param < layout_->params.size(); ++param) {
    const Reg arrival = layout_->params[param].reg;
    if (!locals[param].live_on_entry || !arrival.valid()) continue;
    const ValueType type = body_->locals[param];
    if (const Reg pin = pinning_.of(param); pin.valid()) {
      moves_.push_back({.type = type, .dst = pin, .src = Operand::in(arrival)});
    } else {
      s_.store_frame(type, frame_.home(param), Operand::in(arrival));
    }
  }
  move_in_parallel(s_, moves_);
  for (std::uint32_t param = 0; param < layout_->params.size(); ++param) {
    const SignatureLayout::Place place = layout_->params[param];
    if (!locals[param].live_on_entry || place.reg.valid()) continue;
    const ValueType type = body_->locals[param];
    const Operand source = Operand::at(s_.incoming(frame_, pinning_.saved(), place.word));
    if (const Reg pin = pinning_.of(param); pin.valid()) {
      s_.move(type, pin, source);
    } else {
      const Reg through =
          S::roles.general_result;  // no argument, not pinned; the type's class does not matter for bits
      s_.move(ValueType::I64, through, source);
      s_.store_frame(ValueType::I64, frame_.home(param), Operand::in(through));
    }
  }
}

// Locals that may be read before they are assigned are zero.
template <Selection S>
void FunctionCompiler<S>::zero_locals() {
  const std::span<const LocalRange> locals = analysis_.locals();
  std::uint32_t words = 0;
  std::int32_t first = 0;
  const auto zero_run = [&] {
    if (words != 0) s_.zero_frame(first, words);
    words = 0;
  };
  for (auto local = static_cast<std::uint32_t>(layout_->params.size()); local < locals.size(); ++local) {
    if (!locals[local].live_on_entry) continue;
    if (const Reg pin = pinning_.of(local); pin.valid()) {
      s_.move(body_->locals[local], pin, Operand::constant(0));
      continue;
    }
    const std::int32_t home = frame_.home(local);
    if (words != 0 && home == first + 8 * static_cast<std::int32_t>(words)) {
      ++words;
      continue;
    }
    zero_run();
    first = home;
    words = 1;
  }
  zero_run();
}

// The processor flags are dead, and every register is kept.
template <Selection S>
void FunctionCompiler<S>::interrupt_site(std::uint32_t module_offset) {
  if (module_.interrupts == nullptr) return;
  const DetourStub detour = s_.add_detour();
  module_.interrupts->add(module_offset, detour.stub);
  s_.bind(detour.resume);
}

// As interrupt_site().
template <Selection S>
void FunctionCompiler<S>::trace_site(std::uint32_t module_offset, bool leaves) {
  if (module_.traces == nullptr) return;
  const DetourStub detour =
      s_.add_trace(TraceCall{.function = body_->function, .is_leaf = analysis_.is_leaf(), .leaves = leaves}.event());
  module_.traces->add(body_->function - module_.module->imported_functions, module_offset, detour.stub);
  s_.bind(detour.resume);
}

template <Selection S>
void FunctionCompiler<S>::debug_site(std::uint32_t module_offset) {
  stack_.flush();
  stack_.fill_slots(0);
  module_.debug->add(s_, module_offset, stack_);
}

// --- where locals live, by position ---

// Frees the registers of locals that end before `position`.
template <Selection S>
void FunctionCompiler<S>::retire_locals(std::uint32_t position) {
  const std::span<const Pinning::Pin> pins = pinning_.by_end();
  for (; next_end_ < pins.size() && pins[next_end_].end < position; ++next_end_) {
    const Pinning::Pin& pin = pins[next_end_];
    if (stack_.is_active(pin.reg)) stack_.deactivate(pin.local, pin.reg);
  }
}

// To go on at `position` with an operand stack that refers to no local's register.
template <Selection S>
void FunctionCompiler<S>::seek(std::uint32_t position) {
  const std::span<const Pinning::Pin> pins = pinning_.by_end();
  RegSet active;
  next_end_ = pins.size();
  for (std::size_t i = pins.size(); i-- > 0;) {
    if (pins[i].end < position) break;
    next_end_ = i;
    if (pins[i].begin <= position) active.insert(pins[i].reg);
  }
  stack_.set_active(active);
  position_ = position;
}

}  // namespace shunt::wasm::baseline
