// FunctionCompiler: reads of feature flags as patch sites. Included by function_compiler.h.
//
// A site that is off falls through, so the code for a flag that is zero stands in line and the other is behind the
// function:
//
//   call; br_if L               site ─on→ L
//   call; i32.eqz; br_if L      site ─on→ [rest of the block, behind the function, goes to L]    L:
//   call; if A else B           site ─on→ [A, behind the function, goes to end]    B    end:
//   a b call; select            site ─on→ [dst = a, goes to next]    dst = b    next:
//   call                        site ─one→ [dst = 1] or ─stub→ [dst = value], go to next    dst = 0    next:
//
// While contexts differ in the flag, or it is demoted, sites go to code behind the function that loads the value.
#pragma once

#include "runtime/wasm/baseline/flag_loads.h"
#include "runtime/wasm/baseline/function_compiler.h"
#include "runtime/wasm/instance/flag_cells.h"

namespace shunt::wasm::baseline {

template <Selection S>
void FunctionCompiler<S>::read_flag(const Op& op) {
  const FlagImport& flag = module_.flags->import(op.a);
  const FlagImportSites::Place place = {
      .import = op.a, .function = body_->function, .module_offset = op.offset, .shape = FlagSite::Shape::Branch};
  bool negated = false;
  if (!is_observed() && flag.type == flags::FlagType::I64 && op_at(position_ + 1).opcode == wabt::Opcode::I64Eqz) {
    negated = true;
    ++position_;
  }
  if (flag.type == flags::FlagType::F64 || (flag.type == flags::FlagType::I64 && !negated)) {
    flag_number(place);
    return;
  }
  const Consumer user = consumer();
  negated = negated != user.negated;
  const bool is_boolean = negated || user.position != position_ || module_.flags->is_variant(op.a);
  position_ = user.position;
  switch (user.kind) {
    case Consumer::Kind::BrIf:
      flag_branch_if(place, negated);
      return;
    case Consumer::Kind::If:
      flag_if(place, negated);
      return;
    case Consumer::Kind::Select:
      flag_select(place, negated);
      return;
    case Consumer::Kind::Value:
      if (is_boolean) {
        flag_boolean(place, negated);
      } else {
        flag_number(place);
      }
  }
}

template <Selection S>
void FunctionCompiler<S>::flag_branch_if(const FlagImportSites::Place& place, bool negated) {
  const std::uint32_t depth = op_at(position_).a;
  Block& block = target(depth);
  if (!negated) {
    // Off goes on here, on goes to the block, perhaps with results to place on the way.
    if (in_place(block)) {
      flag_site(place, label_of(block));
    } else if (is_small()) {
      flag_site(place, defer({.begin = none, .end = none, .depth = depth}));
    } else {
      flag_branch_here(place, block, true);
    }
    return;
  }
  if (can_defer(depth)) {
    // On goes on here, off to the block's end: what lies between moves behind the function.
    const std::uint32_t end = block.end;
    flag_site(place, defer({.begin = position_ + 1, .end = end, .depth = depth}));
    while (&blocks_.back() != &block) blocks_.pop_back();
    place_results(block, scratch_for_results(block));
    expect_results(block.height, block.type->results);
    position_ = end - 1;
    return;
  }
  flag_branch_here(place, block, false);
}

// The site: falls through while the flag is off, goes to `on` while it is on, to a stub while it is to be loaded.
template <Selection S>
void FunctionCompiler<S>::flag_site(const FlagImportSites::Place& place, const asmjit::Label& on) {
  const FlagImport& flag = module_.flags->import(place.import);
  FlagTest test{.asks = s_.new_label(),
                .loader = {},
                .on = on,
                .off = s_.new_label(),
                .cell = flag_cell_offset(*module_.module, place.import),
                .flag = flag.flag->may_be_demoted() ? &module_.flags->bits(place.import) : nullptr};
  test.loader = test.flag != nullptr ? s_.new_label() : test.asks;
  module_.flags->branch(place, on, test.asks, test.loader);
  s_.bind(test.off);
  tests_.push_back(test);
}

// With the branch in line, at the cost of a jump more: to the block while the flag is on, or while it is off.
template <Selection S>
void FunctionCompiler<S>::flag_branch_here(const FlagImportSites::Place& place, Block& block, bool while_on) {
  const asmjit::Label on = s_.new_label();
  const asmjit::Label stay = s_.new_label();
  const Reg scratch = scratch_for_results(block);
  flag_site(place, on);
  if (while_on) {
    s_.jump(stay);
    s_.bind(on);
  }
  leave_to(block, scratch);
  s_.bind(while_on ? stay : on);
}

template <Selection S>
void FunctionCompiler<S>::flag_if(const FlagImportSites::Place& place, bool negated) {
  Block& block = push_block(OpKind::If, op_at(position_));
  stack_.flush();
  stack_.fill_slots(block.height);
  const bool has_else = block.other != block.end;
  const bool needs_arm = !negated || has_else;
  if (!block.type->params.empty() || (needs_arm && !may_defer())) {
    block.else_label = s_.new_label();
    if (negated) {
      flag_site(place, block.else_label);
    } else {
      const asmjit::Label on = s_.new_label();
      flag_site(place, on);
      s_.jump(block.else_label);
      s_.bind(on);
    }
    return;
  }
  if (!negated) {
    flag_site(place, defer({.begin = position_ + 1, .end = block.other, .depth = 0}));
    blocks_.back().in_else = true;
    position_ = has_else ? block.other : block.end - 1;
  } else if (has_else) {
    block.in_else = true;  // for the arm
    const asmjit::Label arm = defer({.begin = block.other + 1, .end = block.end, .depth = 0});
    blocks_.back().in_else = false;
    blocks_.back().else_deferred = true;
    flag_site(place, arm);
  } else {
    flag_site(place, label_of(block));
  }
}

template <Selection S>
void FunctionCompiler<S>::flag_select(FlagImportSites::Place place, bool negated) {
  place.shape = FlagSite::Shape::Select;
  Entry off = stack_.pop();
  Entry on = stack_.pop();
  if (negated) std::swap(on, off);
  const ValueType type = on.type;
  const Reg dst = destination(type, &off, &on);
  flag_choice(place, type, dst, stack_.operand(on), stack_.operand(off));
  push_result(type, dst);
}

// A flag's truth as a number.
template <Selection S>
void FunctionCompiler<S>::flag_boolean(FlagImportSites::Place place, bool negated) {
  place.shape = FlagSite::Shape::Value;
  const Reg dst = destination(ValueType::I32);
  flag_choice(place, ValueType::I32, dst, Operand::constant(negated ? 0 : 1), Operand::constant(negated ? 1 : 0));
  push_result(ValueType::I32, dst);
}

// The site comes before the move, so that `dst` may be where `on` is.
template <Selection S>
void FunctionCompiler<S>::flag_choice(const FlagImportSites::Place& place, ValueType type, Reg dst, Operand on,
                                      Operand off) {
  const asmjit::Label arm = s_.new_label();
  const asmjit::Label resume = s_.new_label();
  flag_site(place, arm);
  s_.move(type, dst, off);
  s_.bind(resume);
  choices_.push_back(
      {.arm = arm, .resume = resume, .type = type, .dst = dst, .value = on, .flag = nullptr, .cell = {}});
}

template <Selection S>
void FunctionCompiler<S>::flag_number(FlagImportSites::Place place) {
  place.shape = FlagSite::Shape::Value;
  const FlagImport& flag = module_.flags->import(place.import);
  const ValueType type = flag.type == flags::FlagType::I32   ? ValueType::I32
                         : flag.type == flags::FlagType::I64 ? ValueType::I64
                                                             : ValueType::F64;
  const Reg dst = destination(type);
  const Reg scratch = class_of(type) == RegClass::Float ? stack_.general() : Reg{};
  const asmjit::Label loader = s_.new_label();
  const asmjit::Label asks = s_.new_label();
  const asmjit::Label resume = s_.new_label();
  asmjit::Label one = loader;  // only an i32 has the state
  if (type == ValueType::I32) {
    one = s_.new_label();
    choices_.push_back({.arm = one,
                        .resume = resume,
                        .type = type,
                        .dst = dst,
                        .value = Operand::constant(1),
                        .flag = nullptr,
                        .cell = {}});
  }
  choices_.push_back({.arm = loader,
                      .resume = resume,
                      .type = type,
                      .dst = dst,
                      .value = Operand::in(scratch),
                      .flag = &flag.flag->bits(flag.type),
                      .cell = {}});
  choices_.push_back({.arm = asks,
                      .resume = resume,
                      .type = type,
                      .dst = dst,
                      .value = {},
                      .flag = nullptr,
                      .cell = flag_cell_offset(*module_.module, place.import)});
  module_.flags->number(place, one, {.dst = dst, .scratch = scratch, .resume = resume, .loader = loader, .asks = asks});
  s_.move(type, dst, Operand::constant(0));
  s_.bind(resume);
  push_result(type, dst);
}

// --- code behind the function ---

// Whether remembering the state costs little.
template <Selection S>
bool FunctionCompiler<S>::is_small() const {
  constexpr std::size_t most = 64;
  return blocks_.size() <= most && stack_.height() <= most;
}

// Whether operations may be compiled later at all: not inside others that are, so that each is looked at once.
template <Selection S>
bool FunctionCompiler<S>::may_defer() const {
  return !out_of_line_ && is_small();
}

// Whether the code from here to the end of the block at `depth` is entered only from here, so that it can move.
template <Selection S>
bool FunctionCompiler<S>::can_defer(std::uint32_t depth) const {
  if (!may_defer()) return false;
  for (std::uint32_t inner = 0; inner < depth; ++inner) {
    const Block& block = blocks_[blocks_.size() - 1 - inner];
    if (block.kind != OpKind::Block || block.label.isValid()) return false;
  }
  const Block& block = blocks_[blocks_.size() - 1 - depth];
  if (block.kind == OpKind::Block) return true;
  return block.kind == OpKind::If && !block.else_deferred && (block.in_else || !block.else_label.isValid());
}

// The label of code that is compiled later, with the state of now.
template <Selection S>
asmjit::Label FunctionCompiler<S>::defer(const ArmRange& range) {
  label_of(target(range.depth));
  if (range.begin != none) mark_branches(range.begin, range.end);
  DeferredArm& arm = deferred_.emplace_back();
  arm.range = range;
  arm.entry = s_.new_label();
  arm.position = position_;
  arm.blocks = blocks_;
  arm.operands = stack_.snapshot();
  return arm.entry;
}

// The blocks that the operations in this range branch to will be branched to: their ends must know.
template <Selection S>
void FunctionCompiler<S>::mark_branches(std::uint32_t begin, std::uint32_t end) {
  std::uint32_t inner = 0;  // blocks open in the range; an end beyond them closes one that is open now
  const auto open = static_cast<std::uint32_t>(blocks_.size());
  std::uint32_t closed = 0;
  const auto mark = [&](std::uint32_t depth) {
    if (depth >= inner && depth - inner + closed < open) label_of(blocks_[open - 1 - (depth - inner) - closed]);
  };
  for (std::uint32_t position = begin; position < end; ++position) {
    const Op& op = op_at(position);
    switch (info_of(op.opcode).kind) {
      case OpKind::Block:
      case OpKind::Loop:
      case OpKind::If:
        ++inner;
        break;
      case OpKind::End:
        if (inner != 0) {
          --inner;
        } else {
          ++closed;
        }
        break;
      case OpKind::Br:
      case OpKind::BrIf:
        mark(op.a);
        break;
      case OpKind::BrTable:
        for (const std::uint32_t depth : body_->br_targets.subspan(op.a, std::size_t{op.b} + 1)) mark(depth);
        break;
      case OpKind::Return:
        label_of(blocks_.front());
        break;
      default:
        break;
    }
  }
}

template <Selection S>
void FunctionCompiler<S>::compile_deferred() {
  out_of_line_ = true;
  for (std::size_t i = 0; i < deferred_.size(); ++i) {  // an arm may add branches, but no arms
    DeferredArm arm = std::move(deferred_[i]);
    blocks_ = std::move(arm.blocks);
    const std::size_t goal = blocks_.size() - 1 - arm.range.depth;
    reachable_ = true;
    s_.bind(arm.entry);
    seek(arm.range.begin != none ? arm.range.begin : arm.position);
    stack_.restore(arm.operands);
    if (arm.range.begin != none) walk(arm.range.end);
    stack_.end_operation();
    if (reachable_) branch_to(blocks_[goal]);
  }
  deferred_.clear();
  for (const Choice& choice : choices_) {
    s_.bind(choice.arm);
    if (choice.cell) {
      load_cell(s_, choice.type, choice.dst, *choice.cell);
    } else if (choice.flag != nullptr) {
      s_.load_absolute(choice.type, choice.dst, choice.value.reg, choice.flag);
    } else {
      s_.move(choice.type, choice.dst, choice.value);
    }
    s_.jump(choice.resume);
  }
  choices_.clear();
  for (const FlagTest& test : tests_) {
    s_.bind(test.asks);
    branch_cell(s_, test.cell, test.on, test.off);
    if (test.flag == nullptr) continue;
    s_.bind(test.loader);
    branch_absolute(s_, test.flag, test.on, test.off);
  }
  tests_.clear();
}

}  // namespace shunt::wasm::baseline
