// The statements of a random body: what leaves the operand stack as it was.
#include <algorithm>

#include "tests/runtime/wasm/baseline/random_body.h"

namespace shunt::test {

using wabt::Opcode;
using wasm::ValueType;

namespace {

constexpr std::uint32_t most_nested_loops = 3;
constexpr std::size_t most_nested_blocks = 12;

}  // namespace

// Traps when the module has made too many steps.
void RandomBody::step() {
  op(Opcode::GlobalGet, 0);
  op(Opcode::I32Eqz);
  op(Opcode::If);
  code_.add({0x40});
  op(Opcode::Unreachable);
  op(Opcode::End);
  op(Opcode::GlobalGet, 0);
  constant(ValueType::I32, 1);
  op(Opcode::I32Sub);
  op(Opcode::GlobalSet, 0);
}

void RandomBody::statements(unsigned depth) {
  const unsigned count = 1 + below(3);
  for (unsigned i = 0; i < count && fuel_ > 0; ++i) statement(depth);
}

void RandomBody::statement(unsigned depth) {
  if (depth == 0) {
    op(Opcode::Nop);
    return;
  }
  switch (below(12)) {
    case 0:
    case 1:
      store(depth - 1);
      return;
    case 2:
      if (labels_.size() < most_nested_blocks) {
        block({}, depth - 1);
        return;
      }
      break;
    case 3:
      if (labels_.size() < most_nested_blocks && loops_ < most_nested_loops) {
        if (chance(40)) {
          tight_loop();
        } else {
          loop(depth - 1);
        }
        return;
      }
      break;
    case 4:
      branch(depth - 1);
      return;
    case 5:
      if (chance(30)) {
        branch_table(depth - 1);
        return;
      }
      break;
    case 6:
      if (chance(30)) {
        memory_operation(depth - 1);
        return;
      }
      if (options_.table_writes && chance(20)) {
        table_write();
        return;
      }
      break;
    case 7: {
      const ValueType type = any_type();
      value(type, depth - 1);
      op(Opcode::Drop);
      return;
    }
    default:
      break;
  }
  assignment(depth - 1);
}

void RandomBody::assignment(unsigned depth) {
  if (context_.globals.size() > 1 && chance(15)) {
    const std::uint32_t global = 1 + below(static_cast<unsigned>(context_.globals.size() - 1));
    value(context_.globals[global], depth);
    op(Opcode::GlobalSet, global);
    return;
  }
  if (assignable_ == 0) {
    op(Opcode::Nop);
    return;
  }
  const std::uint32_t local = below(assignable_);
  value(locals_[local], depth);
  if (chance(70)) {
    op(Opcode::LocalSet, local);
    return;
  }
  op(Opcode::LocalTee, local);
  op(Opcode::Drop);
}

void RandomBody::store(unsigned depth) {
  const auto opcode = static_cast<Opcode::Enum>(Opcode::I32Store + below(Opcode::I64Store32 - Opcode::I32Store + 1));
  const wabt::Type::Enum operand = Opcode(opcode).GetParamType2();
  const ValueType type = operand == wabt::Type::I32   ? ValueType::I32
                         : operand == wabt::Type::I64 ? ValueType::I64
                         : operand == wabt::Type::F32 ? ValueType::F32
                                                      : ValueType::F64;
  if (!options_.floats && (type == ValueType::F32 || type == ValueType::F64)) return;
  address(depth);
  value(type, depth);
  op(opcode, 0);
  code_.number(below(64));
}

// A block or an if, perhaps with a parameter.
void RandomBody::block(std::span<const ValueType> results, unsigned depth) {
  const std::vector<ValueType> gives(results.begin(), results.end());
  std::vector<ValueType> takes;
  for (unsigned i = 0; i < 2 && chance(25); ++i) takes.push_back(any_type());
  values(takes, depth);
  const bool is_if = chance(50);
  if (is_if) value(ValueType::I32, depth);
  op(is_if ? Opcode::If : Opcode::Block, block_type(takes, gives));
  labels_.push_back({gives, false, 0});
  const auto arm = [&] {
    if (takes.size() == 1 && gives == takes && chance(30)) {
      statements(depth);  // the parameter is the result
      return;
    }
    for (std::size_t i = takes.size(); i-- > 0;) op(Opcode::Drop);
    statements(depth);
    values(gives, depth);
  };
  arm();
  if (is_if && (gives != takes || chance(60))) {
    op(Opcode::Else);
    arm();
  }
  labels_.pop_back();
  op(Opcode::End);
}

// Runs its body a few times. The loop's parameter, if it has one, changes hands on every turn.
void RandomBody::loop(unsigned depth) {
  std::vector<ValueType> takes;
  for (unsigned i = 0; i < 2 && chance(25); ++i) takes.push_back(any_type());
  const std::uint32_t counter = begin_count(1 + below(5));
  values(takes, depth);
  op(Opcode::Loop, block_type(takes, {}));
  ++loops_;
  labels_.push_back({takes, true, counter});
  step();
  for (std::size_t i = takes.size(); i-- > 0;) op(Opcode::Drop);
  statements(depth);
  branch_operand(labels_.back(), depth);
  count_down(counter);
  op(Opcode::BrIf, 0);
  for (std::size_t i = takes.size(); i-- > 0;) op(Opcode::Drop);
  labels_.pop_back();
  --loops_;
  op(Opcode::End);
}

// The local that the next loop counts down from `times`.
std::uint32_t RandomBody::begin_count(unsigned times) {
  const auto counter = static_cast<std::uint32_t>(locals_.size()) - 1 - loops_;
  constant(ValueType::I32, times);
  op(Opcode::LocalSet, counter);
  return counter;
}

// Whether the loop goes on.
void RandomBody::count_down(std::uint32_t counter) {
  op(Opcode::LocalGet, counter);
  constant(ValueType::I32, ~std::uint64_t{0});
  op(Opcode::I32Add);
  op(Opcode::LocalTee, counter);
  constant(ValueType::I32, 0);
  op(Opcode::I32GtS);
}

// A loop of the kind that optimisers like: counted, with addresses that advance by constants. It makes no steps.
void RandomBody::tight_loop() {
  step();
  const unsigned longest = loops_ == 0 && chance(5) ? 3000 : chance(50) ? 10 : 90;
  const std::uint32_t counter = begin_count(1 + below(longest));
  if (chance(30)) {  // how often is not known before
    value(ValueType::I32, 1);
    constant(ValueType::I32, 63);
    op(Opcode::I32And);
    op(Opcode::LocalSet, counter);
  }
  op(Opcode::Loop);
  code_.add({0x40});
  ++loops_;
  labels_.push_back({{}, true, counter});
  is_tight_ = true;
  const unsigned count = 1 + below(4);
  for (unsigned i = 0; i < count; ++i) {
    if (context_.flags > 0 && chance(40)) {
      flag();
      if (chance(30)) op(Opcode::I32Eqz);
      op(Opcode::If);
      code_.add({0x40});
      tight_statement();
      if (chance(30)) {
        op(Opcode::Else);
        tight_statement();
      }
      op(Opcode::End);
    } else {
      tight_statement();
    }
  }
  count_down(counter);
  op(Opcode::BrIf, 0);
  is_tight_ = false;
  labels_.pop_back();
  --loops_;
  op(Opcode::End);
}

void RandomBody::tight_statement() {
  if (chance(40)) {
    store(2);
  } else {
    assignment(3);
  }
}

void RandomBody::branch_operand(const Label& label, unsigned depth) {
  const std::vector<ValueType> types = label.types;
  values(types, depth);
}

// br_if, or br from inside a block of its own, to any label; to a loop only while it counts down.
void RandomBody::branch(unsigned depth) {
  const std::uint32_t target = below(static_cast<unsigned>(labels_.size()));
  const Label label = labels_[labels_.size() - 1 - target];
  if (label.is_loop || chance(70)) {
    branch_operand(label, depth);
    if (label.is_loop) {
      count_down(label.counter);
    } else {
      value(ValueType::I32, depth);
    }
    op(Opcode::BrIf, target);
    for (std::size_t i = 0; i < label.types.size(); ++i) op(Opcode::Drop);
    return;
  }
  value(ValueType::I32, depth);
  op(Opcode::If);
  code_.add({0x40});
  labels_.push_back({{}, false, 0});
  branch_operand(label, depth);
  if (target + 2 == labels_.size() && chance(50)) {
    op(Opcode::Return);
  } else {
    op(Opcode::Br, target + 1);
  }
  if (chance(30)) {  // code that nobody reaches
    value(ValueType::I32, depth);
    op(Opcode::I32Add);
    op(Opcode::Drop);
  }
  labels_.pop_back();
  op(Opcode::End);
}

// A br_table over the labels that take what the last one takes; loops are left out.
void RandomBody::branch_table(unsigned depth) {
  const std::uint32_t other = below(static_cast<unsigned>(labels_.size()));
  const Label label = labels_[labels_.size() - 1 - other];
  if (label.is_loop) return;
  std::vector<std::uint32_t> targets;
  const unsigned count = below(8);
  for (unsigned i = 0; i < count; ++i) {
    const std::uint32_t target = below(static_cast<unsigned>(labels_.size()));
    const Label& candidate = labels_[labels_.size() - 1 - target];
    if (!candidate.is_loop && candidate.types == label.types) targets.push_back(target + 1);
  }
  value(ValueType::I32, depth);
  op(Opcode::If);
  code_.add({0x40});
  labels_.push_back({{}, false, 0});
  branch_operand(label, depth);
  value(ValueType::I32, depth);
  if (chance(80)) {
    constant(ValueType::I32, 7);
    op(Opcode::I32And);
  }
  op(Opcode::BrTable, targets.size());
  for (const std::uint32_t target : targets) code_.number(target);
  code_.number(other + 1);
  labels_.pop_back();
  op(Opcode::End);
}

void RandomBody::memory_operation(unsigned depth) {
  if (options_.segments && chance(40)) return memory_init(depth);
  const bool fills = chance(50);
  address(depth);
  if (fills) {
    value(ValueType::I32, depth);
  } else {
    address(depth);
  }
  constant(ValueType::I32, below(40));
  op(fills ? Opcode::MemoryFill : Opcode::MemoryCopy);
  code_.add({0});
  if (!fills) code_.add({0});
}

void RandomBody::memory_init(unsigned depth) {
  switch (below(8)) {
    case 0:
      op(Opcode::DataDrop, 0);
      return;
    case 1:
    case 2:
      value(ValueType::I32, depth);
      if (chance(90)) {
        constant(ValueType::I32, 1);
        op(Opcode::I32And);
      }
      op(Opcode::MemoryGrow, 0);
      op(Opcode::Drop);
      return;
    default:
      address(depth);
      constant(ValueType::I32, below(12));
      constant(ValueType::I32, below(16));
      op(Opcode::MemoryInit, 0);
      code_.add({0});
  }
}

// Elements are functions that call nobody, wherever they are put.
void RandomBody::table_write() {
  if (options_.segments && chance(50)) return table_range();
  constant(ValueType::I32, chance(95) ? below(context_.table_functions + 1) : random_());
  table_reference();
  op(Opcode::TableSet, 0);
}

void RandomBody::table_reference() {
  if (chance(90)) {
    op(Opcode::RefFunc, context_.flags + context_.functions - 1 - below(context_.table_functions));
  } else {
    op(Opcode::RefNull);
    code_.add({0x70});
  }
}

void RandomBody::table_range() {
  const auto number = [this] { constant(ValueType::I32, below(context_.table_functions + 1)); };
  switch (below(6)) {
    case 0:
      op(Opcode::ElemDrop, 1);
      return;
    case 1:
      table_reference();
      constant(ValueType::I32, below(3));
      op(Opcode::TableGrow, 0);
      op(Opcode::Drop);
      return;
    case 2:
      number();
      table_reference();
      number();
      op(Opcode::TableFill, 0);
      return;
    case 3:
    case 4:
      number();
      number();
      number();
      op(Opcode::TableCopy, 0);
      code_.add({0});
      return;
    default:
      number();
      constant(ValueType::I32, below(2));
      constant(ValueType::I32, below(context_.table_functions + 1));
      op(Opcode::TableInit, 1);
      code_.add({0});
  }
}

}  // namespace shunt::test
