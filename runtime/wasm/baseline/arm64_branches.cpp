// arm64: comparisons, conditions, branches, and the frame of a function.
//
// A conditional branch reaches 1 MiB, B reaches 128 MiB. A function may be larger than the former. Backwards the
// distance is known. A branch forwards stays open: its distance is filled in at the function's end, or, before the
// oldest open one gets out of reach, at an island between two operations:
//
//       b over
//       traps that open branches go to
//       b target              for each other open branch whose target is not there yet
//     over:
//
// An island holds no more bytes for a branch than lie between that branch and the next, so it is never longer than the
// code from the oldest open branch to it, and half the reach is enough to decide.
#include <algorithm>
#include <cstring>
#include <utility>

#include "runtime/wasm/baseline/arm64_constants.h"
#include "runtime/wasm/baseline/arm64_selection.h"

namespace shunt::wasm::baseline {

using namespace asmjit;  // NOLINT(google-build-using-namespace): mnemonics and registers

namespace {

using Condition = Arm64Selection::Condition;

constexpr Condition condition_of(IntCompare op) {
  switch (op) {
    case IntCompare::Eq:
      return Condition::EQ;
    case IntCompare::Ne:
      return Condition::NE;
    case IntCompare::LtS:
      return Condition::LT;
    case IntCompare::LtU:
      return Condition::LO;
    case IntCompare::GtS:
      return Condition::GT;
    case IntCompare::GtU:
      return Condition::HI;
    case IntCompare::LeS:
      return Condition::LE;
    case IntCompare::LeU:
      return Condition::LS;
    case IntCompare::GeS:
      return Condition::GE;
    case IntCompare::GeU:
      return Condition::HS;
  }
  return Condition::EQ;
}

// asmjit numbers the conditions from 2.
Imm immediate(Condition condition) {
  return Imm((static_cast<std::uint32_t>(condition) + 2) & 0xf);
}
static_assert(static_cast<int>(arm::CondCode::kEQ) == static_cast<int>(Condition::EQ) + 2);
static_assert(static_cast<int>(arm::CondCode::kLE) == static_cast<int>(Condition::LE) + 2);

// --- encodings of conditional branches: a distance of imm19 instructions in bits 23:5 ---

constexpr std::uint32_t b_cond = 0x5400'0000;
constexpr std::uint32_t cbz = 0x3400'0000;
constexpr std::uint32_t negates_compare_branch = 1U << 24;  // CBZ, CBNZ
constexpr std::uint32_t wide_register = 1U << 31;
constexpr std::int64_t reach = std::int64_t{1} << 20;  // bytes

constexpr bool reaches(std::int64_t distance) {
  return distance >= -reach && distance < reach;
}
constexpr std::uint32_t distance_field(std::int64_t distance) {
  return (static_cast<std::uint32_t>(distance >> 2) & 0x7'ffff) << 5;
}
constexpr std::uint32_t opposite(std::uint32_t word) {
  return (word & 0xff00'0000) == b_cond ? word ^ 1U : word ^ negates_compare_branch;
}

// One operation emits less: its arguments and results are at most a thousand each.
constexpr std::uint32_t most_between_checks = 64 * 1024;

}  // namespace

// --- conditions ---

Arm64Selection::Condition Arm64Selection::compare(IntCompare op, bool wide, Operand a, Operand b, Scratch&) {
  if (a.is_constant() && !b.is_constant()) {
    std::swap(a, b);
    op = mirrored(op);
  }
  const Reg left = in_general(wide, a, x16);
  const std::uint64_t bits = wide ? b.bits : b.bits & 0xffff'ffff;
  const std::uint64_t opposite_bits = wide ? 0 - bits : (0 - bits) & 0xffff'ffff;
  if (b.is_constant() && bits == 0) {
    compare_with_zero(wide, left);
  } else if (b.is_constant() && arm64::is_add_immediate(bits)) {
    a_.cmp(gp(left, wide), Imm(bits));
  } else if (b.is_constant() && arm64::is_add_immediate(opposite_bits)) {
    a_.cmn(gp(left, wide), Imm(opposite_bits));
  } else {
    a_.cmp(gp(left, wide), gp(in_general(wide, b, x17), wide));
  }
  return condition_of(op);
}

Arm64Selection::Condition Arm64Selection::test(bool wide, Operand value, Scratch&) {
  compare_with_zero(wide, in_general(wide, value, x16));
  return Condition::NE;
}

void Arm64Selection::compare_with_zero(bool wide, Reg reg) {
  a_.cmp(gp(reg, wide), Imm(0));
  tested_ = reg;
  tested_wide_ = wide;
  tested_at_ = offset();
}

Arm64Selection::Condition Arm64Selection::test_bits(bool wide, Operand a, Operand b, Scratch&) {
  if (a.is_constant()) std::swap(a, b);
  const Gp left = gp(in_general(wide, a, x16), wide);
  if (b.is_constant() && arm64::is_logical_immediate(wide, b.bits)) {
    a_.tst(left, Imm(wide ? b.bits : b.bits & 0xffff'ffff));
  } else {
    a_.tst(left, gp(in_general(wide, b, x17), wide));
  }
  return Condition::NE;
}

void Arm64Selection::set(Condition condition, Reg dst) {
  a_.cset(gpw(dst), immediate(condition));
}

void Arm64Selection::select(Condition condition, ValueType type, Reg dst, Operand yes, Operand no, Scratch&) {
  const bool wide = is_wide(type);
  if (class_of(type) == RegClass::General) {
    const Gp first = gp(in_general_or_zero(wide, yes, x16), wide);
    const Gp second = gp(in_general_or_zero(wide, no, x17), wide);
    a_.csel(gp(dst, wide), first, second, immediate(condition));
    return;
  }
  const Vec first = vec(in_float(type, yes, v30), type);
  const Vec second = vec(in_float(type, no, v31), type);
  a_.fcsel(vec(dst, type), first, second, immediate(condition));
}

// --- branches ---

void Arm64Selection::at(std::uint32_t module_offset) {
  make_room(0);
  module_offset_ = module_offset;
}

void Arm64Selection::bind(const Label& label) {
  make_room(0);
  a_.bind(label);
  tested_ = {};
}

void Arm64Selection::branch(Condition condition, const Label& label) {
  const bool is_zero_test = condition == Condition::EQ || condition == Condition::NE;
  if (is_zero_test && tested_.valid() && tested_at_ == offset()) {
    a_.setOffset(a_.offset() - 4);  // the comparison
    const std::uint32_t word = cbz | (tested_wide_ ? wide_register : 0) | tested_.id();
    emit_branch(condition == Condition::EQ ? word : word | negates_compare_branch, label);
  } else {
    emit_branch(b_cond | static_cast<std::uint32_t>(condition), label);
  }
  tested_ = {};
}

// `word` is a conditional branch without its distance.
void Arm64Selection::emit_branch(std::uint32_t word, const Label& label) {
  const std::uint32_t here = offset();
  if (!holder_.isLabelBound(label)) {
    open_.push_back({.at = here, .target = label});
    a_.embed(&word, sizeof word);
    return;
  }
  const std::int64_t distance = static_cast<std::int64_t>(holder_.labelOffset(label)) - here;
  if (reaches(distance)) {
    word |= distance_field(distance);
    a_.embed(&word, sizeof word);
    return;
  }
  word = opposite(word) | distance_field(8);
  a_.embed(&word, sizeof word);
  a_.b(label);
}

void Arm64Selection::close_branch(std::uint32_t at, std::uint32_t target) {
  const std::int64_t distance = static_cast<std::int64_t>(target) - at;
  if (!reaches(distance)) {
    a_.reportError(kErrorInvalidDisplacement);
    return;
  }
  std::uint32_t word = 0;
  std::memcpy(&word, a_.bufferData() + at, sizeof word);
  word |= distance_field(distance);
  std::memcpy(a_.bufferData() + at, &word, sizeof word);
}

// Before code of at most `bytes` and one operation more. Between two operations: no flags live.
void Arm64Selection::make_room(std::uint32_t bytes) {
  if (open_.empty()) return;
  if (offset() + bytes - open_.front().at < reach / 2 - most_between_checks) return;
  const Label over = new_label();
  a_.b(over);
  close_branches();
  a_.bind(over);
  tested_ = {};
}

// Emits what open branches go to, and fills their distances in.
void Arm64Selection::close_branches() {
  emit_cold_paths();
  for (const OpenBranch& branch : open_) {
    if (holder_.isLabelBound(branch.target)) {
      close_branch(branch.at, static_cast<std::uint32_t>(holder_.labelOffset(branch.target)));
    } else {
      close_branch(branch.at, offset());
      a_.b(branch.target);
    }
  }
  open_.clear();
}

// A table of branches: all that stands in the code is instructions.
void Arm64Selection::branch_table(Reg index, std::span<const Label> targets, const Label& other, Reg base) {
  constexpr std::size_t worth_a_table = 4;
  if (targets.size() < worth_a_table) {
    for (std::size_t i = 0; i < targets.size(); ++i) {
      if (i == 0) {
        compare_with_zero(false, index);
      } else {
        a_.cmp(gpw(index), Imm(i));
      }
      branch(Condition::EQ, targets[i]);
    }
    jump(other);
    return;
  }
  const auto count = static_cast<std::uint32_t>(targets.size());
  make_room(4 * count);
  if (arm64::is_add_immediate(count)) {
    a_.cmp(gpw(index), Imm(count));
  } else {
    move_constant(false, x17, count);
    a_.cmp(gpw(index), gpw(x17));
  }
  branch(Condition::HS, other);
  const Label table = new_label();
  a_.adr(gpx(base), table);
  a_.add(gpx(base), gpx(base), gpx(index), a64::lsl(2));
  a_.br(gpx(base));
  a_.bind(table);
  for (const Label& target : targets) a_.b(target);
}

// --- frames ---

std::int32_t Arm64Selection::incoming(const FrameLayout& frame, RegSet, std::uint32_t word) {
  return static_cast<std::int32_t>(frame_bytes(frame) + 8 * word);
}

void Arm64Selection::adjust_stack(std::int64_t bytes) {
  if (bytes != 0) add_constant(a64::sp, a64::sp, bytes);
}

void Arm64Selection::transfer_pair(Transfer transfer, Reg first, Reg second, const Mem& place) {
  const bool is_general = first.cls() == RegClass::General;
  const auto emit = [&](const auto& one, const auto& other) {
    if (transfer == Transfer::Save) {
      second.valid() ? a_.stp(one, other, place) : a_.str(one, place);
    } else {
      second.valid() ? a_.ldp(one, other, place) : a_.ldr(one, place);
    }
  };
  if (is_general) {
    emit(gpx(first), gpx(second));
  } else {
    emit(Vec(a64::d(first.id())), Vec(a64::d(second.id())));
  }
}

// The return address, if the function makes calls, and the saved registers: in the frame's saved area, in pairs.
void Arm64Selection::transfer_saved(Transfer transfer, const FrameLayout& frame, RegSet saved) {
  if (!frame.is_leaf()) saved.insert(x30);
  if (saved.empty()) return;
  std::int32_t place = frame.saved(0);
  Gp base = a64::sp;
  if (!arm64::is_pair_offset(place + 8 * static_cast<std::int32_t>(saved.count()))) {
    add_constant(gpx(x16), a64::sp, place);
    base = gpx(x16);
    place = 0;
  }
  for (const RegClass cls : {RegClass::General, RegClass::Float}) {
    for (RegSet rest = saved.of(cls); !rest.empty();) {
      const Reg first = rest.take_first();
      const Reg second = rest.empty() ? Reg{} : rest.take_first();
      transfer_pair(transfer, first, second, a64::ptr(base, place));
      place += second.valid() ? 16 : 8;
    }
  }
}

// A call stores nothing by itself here: what touches the stack, so that none steps over its guard, is the return
// address at the frame's upper end. A large frame touches its lower end as well.
void Arm64Selection::enter_function(const FrameLayout& frame, RegSet saved) {
  constexpr std::uint32_t large = 32 * 1024;
  adjust_stack(-static_cast<std::int64_t>(frame_bytes(frame)));
  if (frame_bytes(frame) >= large) a_.str(a64::xzr, a64::ptr(a64::sp));
  transfer_saved(Transfer::Save, frame, saved);
}

void Arm64Selection::leave_function(const FrameLayout& frame, RegSet saved) {
  transfer_saved(Transfer::Restore, frame, saved);
  adjust_stack(frame_bytes(frame));
  a_.ret(gpx(x30));
}

void Arm64Selection::finish_function() {
  close_branches();
}

void Arm64Selection::zero_frame(std::int32_t first, std::uint32_t words) {
  constexpr std::uint32_t unrolled = 16;
  if (words <= unrolled) {
    for (std::uint32_t word = 0; word < words; ++word) {
      store_word(ValueType::I64, zero, frame_word(first + 8 * static_cast<std::int32_t>(word), 8));
    }
    return;
  }
  const Label again = new_label();
  add_constant(gpx(x16), a64::sp, first);
  move_constant(false, x17, words);
  a_.bind(again);
  a_.str(a64::xzr, a64::ptr_post(gpx(x16), 8));
  a_.sub(gpw(x17), gpw(x17), Imm(1));
  emit_branch(cbz | negates_compare_branch | x17.id(), again);
}

}  // namespace shunt::wasm::baseline
