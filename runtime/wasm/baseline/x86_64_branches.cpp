// x86-64: comparisons, conditions, branches, and the frame of a function.
#include <algorithm>
#include <utility>

#include "runtime/wasm/baseline/x86_64_selection.h"

namespace shunt::wasm::baseline {

using namespace asmjit;  // NOLINT(google-build-using-namespace): mnemonics and registers

namespace {

using Condition = X86Selection::Condition;

// x86::CondCode has the same order.
x86::CondCode code_of(Condition condition) {
  return static_cast<x86::CondCode>(condition);
}
static_assert(static_cast<int>(Condition::Overflow) == static_cast<int>(x86::CondCode::kO));
static_assert(static_cast<int>(Condition::Below) == static_cast<int>(x86::CondCode::kB));
static_assert(static_cast<int>(Condition::Parity) == static_cast<int>(x86::CondCode::kP));
static_assert(static_cast<int>(Condition::Greater) == static_cast<int>(x86::CondCode::kG));

constexpr Condition condition_of(IntCompare op) {
  switch (op) {
    case IntCompare::Eq:
      return Condition::Equal;
    case IntCompare::Ne:
      return Condition::NotEqual;
    case IntCompare::LtS:
      return Condition::Less;
    case IntCompare::LtU:
      return Condition::Below;
    case IntCompare::GtS:
      return Condition::Greater;
    case IntCompare::GtU:
      return Condition::Above;
    case IntCompare::LeS:
      return Condition::LessEqual;
    case IntCompare::LeU:
      return Condition::BelowEqual;
    case IntCompare::GeS:
      return Condition::GreaterEqual;
    case IntCompare::GeU:
      return Condition::AboveEqual;
  }
  return Condition::Equal;
}

}  // namespace

// --- conditions ---

X86Selection::Condition X86Selection::compare(IntCompare op, bool wide, Operand a, Operand b, Scratch& scratch) {
  if (a.is_constant() && !b.is_constant()) {
    std::swap(a, b);
    op = mirrored(op);
  }
  if (b.is_constant() && (wide ? b.bits : b.bits & 0xffff'ffff) == 0 && a.is_register()) {
    if (op == IntCompare::Eq || op == IntCompare::Ne) {
      test(wide, a, scratch);
    } else {
      a_.test(gp(a.reg, wide), gp(a.reg, wide));  // leaves the flags of a comparison with zero
    }
    return condition_of(op);
  }
  if (a.is_constant() || (!a.is_register() && !b.is_register() && !b.is_constant())) {
    a = Operand::in(in_general(wide, a, scratch));
  }
  if (b.is_constant() && !fits_imm32(wide, b.bits)) b = Operand::in(in_general(wide, b, scratch));
  if (a.is_register()) {
    emit_right(x86::Inst::kIdCmp, wide, a.reg, b, scratch);
  } else if (b.is_constant()) {
    a_.cmp(memory(a, wide ? 8 : 4), Imm(static_cast<std::int32_t>(b.bits)));
  } else {
    a_.cmp(memory(a, wide ? 8 : 4), gp(b.reg, wide));
  }
  return condition_of(op);
}

X86Selection::Condition X86Selection::test(bool wide, Operand value, Scratch& scratch) {
  if (value.is_register() && value.reg == flags_of_ && wide == flags_wide_ && offset() == flags_at_) {
    return Condition::NotEqual;
  }
  if (value.is_constant()) value = Operand::in(in_general(wide, value, scratch));
  if (value.is_register()) {
    a_.test(gp(value.reg, wide), gp(value.reg, wide));
  } else {
    a_.cmp(memory(value, wide ? 8 : 4), Imm(0));
  }
  return Condition::NotEqual;
}

X86Selection::Condition X86Selection::test_bits(bool wide, Operand a, Operand b, Scratch& scratch) {
  if (a.is_constant()) std::swap(a, b);
  if (a.is_constant()) a = Operand::in(in_general(wide, a, scratch));
  if (b.is_frame() || b.is_memory()) std::swap(a, b);
  if (b.is_frame() || b.is_memory()) b = Operand::in(in_general(wide, b, scratch));
  // A mask of low bits may look at low bytes alone, but a load from linear memory traps by its full width.
  if (b.is_constant() && b.bits <= 0x7fff'ffff && !a.is_memory()) wide = false;
  if (b.is_constant() && !fits_imm32(wide, b.bits)) b = Operand::in(in_general(wide, b, scratch));
  if (b.is_constant() && b.bits <= 0xff && a.is_register()) {
    a_.test(x86::gpb(a.reg.id()), Imm(b.bits));
  } else if (b.is_constant() && b.bits <= 0xff && a.is_frame()) {
    a_.test(memory(a, 1), Imm(b.bits));
  } else if (b.is_constant()) {
    const Imm bits(static_cast<std::int32_t>(b.bits));
    if (a.is_register()) {
      a_.test(gp(a.reg, wide), bits);
    } else {
      a_.test(memory(a, wide ? 8 : 4), bits);
    }
  } else if (a.is_register()) {
    a_.test(gp(a.reg, wide), gp(b.reg, wide));
  } else {
    a_.test(memory(a, wide ? 8 : 4), gp(b.reg, wide));
  }
  return Condition::NotEqual;
}

X86Selection::Condition X86Selection::compare(FloatCompare op, ValueType type, Operand a, Operand b, Scratch& scratch) {
  // Of the orders, only above and above-or-equal are false for unordered operands.
  if (op == FloatCompare::Lt || op == FloatCompare::Le) std::swap(a, b);
  const InstId inst = type == ValueType::F64 ? x86::Inst::kIdUcomisd : x86::Inst::kIdUcomiss;
  const Reg left = in_float(type, a, scratch);
  if (b.is_register()) {
    a_.emit(inst, xmm(left), xmm(b.reg));
  } else {
    a_.emit(inst, xmm(left), b.is_constant() ? literal(type, b.bits) : memory(b, is_wide(type) ? 8 : 4));
  }
  switch (op) {
    case FloatCompare::Eq:
      return Condition::FloatEqual;
    case FloatCompare::Ne:
      return Condition::FloatNotEqual;
    case FloatCompare::Lt:
    case FloatCompare::Gt:
      return Condition::Above;
    default:
      return Condition::AboveEqual;
  }
}

void X86Selection::set(Condition condition, Reg dst) {
  const x86::GpbLo low = x86::gpb(dst.id());
  switch (condition) {
    case Condition::FloatEqual:  // equal and ordered; the moves between keep the flags
    case Condition::FloatNotEqual: {
      const bool equal = condition == Condition::FloatEqual;
      const Label done = new_label();
      a_.mov(gpd(dst), Imm(equal ? 0 : 1));
      a_.jp(done);
      a_.set(code_of(equal ? Condition::Equal : Condition::NotEqual), low);
      bind(done);
      return;
    }
    default:
      a_.set(code_of(condition), low);
      a_.movzx(gpd(dst), low);
  }
}

void X86Selection::select(Condition condition, ValueType type, Reg dst, Operand yes, Operand no, Scratch& scratch) {
  const bool is_float = class_of(type) == RegClass::Float;
  const bool wide = is_wide(type);
  const auto exchange_values = [&] {
    std::swap(yes, no);
    condition = negate(condition);
  };
  // Conditional moves replace `no` in dst by `yes`; two of them can only make an "or".
  if (condition == Condition::FloatEqual && !is_float) exchange_values();
  if (yes.is(dst) && !no.is(dst)) {
    if (condition == Condition::FloatNotEqual && !is_float) {
      yes = Operand::in(scratch.general());
      move(type, yes.reg, Operand::in(dst));
    } else {
      exchange_values();
    }
  }
  if (is_float) {
    const Label done = new_label();
    move(type, dst, no);
    branch(negate(condition), done);
    move(type, dst, yes);
    bind(done);
    return;
  }
  if (yes.is_constant()) yes = Operand::in(in_general(wide, yes, scratch));
  const auto replace = [&](Condition when) {
    if (yes.is_register()) {
      a_.cmov(code_of(when), gp(dst, wide), gp(yes.reg, wide));
    } else {
      a_.cmov(code_of(when), gp(dst, wide), memory(yes, wide ? 8 : 4));
    }
  };
  move(type, dst, no);
  if (condition == Condition::FloatNotEqual) {
    replace(Condition::Parity);
    replace(Condition::NotEqual);
  } else {
    replace(condition);
  }
}

// --- branches ---

void X86Selection::bind(const Label& label) {
  a_.bind(label);
  flags_of_ = {};
}

void X86Selection::branch(Condition condition, const Label& label) {
  switch (condition) {
    case Condition::FloatEqual: {
      const Label unordered = new_label();
      a_.jp(unordered);
      a_.je(label);
      bind(unordered);
      return;
    }
    case Condition::FloatNotEqual:
      a_.jp(label);
      a_.jne(label);
      return;
    default:
      a_.j(code_of(condition), label);
  }
}

void X86Selection::branch_table(Reg index, std::span<const Label> targets, const Label& other, Reg base) {
  constexpr std::size_t worth_a_table = 4;
  if (targets.size() < worth_a_table) {
    for (std::size_t i = 0; i < targets.size(); ++i) {
      if (i == 0) {
        a_.test(gpd(index), gpd(index));
      } else {
        a_.cmp(gpd(index), Imm(i));
      }
      a_.je(targets[i]);
    }
    jump(other);
    return;
  }
  a_.cmp(gpd(index), Imm(targets.size()));
  a_.jae(other);
  const Label table = new_label();
  tables_.push_back({.label = table,
                     .first = static_cast<std::uint32_t>(table_targets_.size()),
                     .count = static_cast<std::uint32_t>(targets.size())});
  table_targets_.insert(table_targets_.end(), targets.begin(), targets.end());
  a_.lea(gpq(base), Mem(table, 0));
  a_.movsxd(gpq(index), Mem(gpq(base), gpq(index), 2, 0, 4));
  a_.add(gpq(index), gpq(base));
  a_.jmp(gpq(index));
}

// --- frames ---

std::int32_t X86Selection::incoming(const FrameLayout& frame, RegSet saved, std::uint32_t word) {
  constexpr std::uint32_t return_address = 1;
  const std::uint32_t pushed = saved.of(RegClass::General).count();
  return static_cast<std::int32_t>(frame.size() + 8 * (pushed + return_address + word));
}

void X86Selection::enter_function(const FrameLayout& frame, RegSet saved) {
  for (RegSet rest = saved.of(RegClass::General); !rest.empty();) a_.push(gpq(rest.take_first()));
  if (frame.size() != 0) a_.sub(x86::rsp, Imm(frame.size()));
  std::uint32_t word = 0;
  for (RegSet rest = saved.of(RegClass::Float); !rest.empty();) {
    a_.movsd(frame_word(frame.saved(word++), 8), xmm(rest.take_first()));
  }
}

void X86Selection::leave_function(const FrameLayout& frame, RegSet saved) {
  std::uint32_t word = 0;
  for (RegSet rest = saved.of(RegClass::Float); !rest.empty();) {
    a_.movsd(xmm(rest.take_first()), frame_word(frame.saved(word++), 8));
  }
  if (frame.size() != 0) a_.add(x86::rsp, Imm(frame.size()));
  std::array<Reg, 32> pushed;
  std::size_t count = 0;
  for (RegSet rest = saved.of(RegClass::General); !rest.empty();) pushed[count++] = rest.take_first();
  while (count != 0) a_.pop(gpq(pushed[--count]));
  a_.ret();
}

// Only rax is free here: the arguments are where they arrived.
void X86Selection::zero_frame(std::int32_t first, std::uint32_t words) {
  constexpr std::uint32_t unrolled = 8;
  if (words <= unrolled) {
    for (std::uint32_t word = 0; word < words; ++word) {
      a_.mov(frame_word(first + 8 * static_cast<std::int32_t>(word), 8), Imm(0));
    }
    return;
  }
  const Label again = new_label();
  const auto bytes = static_cast<std::int32_t>(8 * words);
  a_.mov(x86::rax, Imm(-bytes));
  bind(again);
  a_.mov(Mem(x86::rsp, x86::rax, 0, first + bytes, 8), Imm(0));
  a_.add(x86::rax, Imm(8));
  a_.jnz(again);
}

}  // namespace shunt::wasm::baseline
