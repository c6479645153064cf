// x86-64: conversions between integers and floats. The instructions answer out-of-range inputs with the "integer
// indefinite" (only the sign bit set); that answer is the sign to look closer, out of line.
#include <array>
#include <bit>

#include "runtime/wasm/baseline/x86_64_selection.h"

namespace shunt::wasm::baseline {

using namespace asmjit;  // NOLINT(google-build-using-namespace): mnemonics and registers

namespace {

std::uint64_t bits_of(double value, bool is_double) {
  return is_double ? std::bit_cast<std::uint64_t>(value) : std::bit_cast<std::uint32_t>(static_cast<float>(value));
}

constexpr double two_to_31 = 2147483648.0;
constexpr double two_to_63 = 9223372036854775808.0;

}  // namespace

void X86Selection::truncate(const OpInfo& info, Reg dst, Reg src, Scratch& scratch) {
  const bool is_double = info.operand == ValueType::F64;
  const bool wide = is_wide(info.result);
  const InstId inst = is_double ? x86::Inst::kIdCvttsd2si : x86::Inst::kIdCvttss2si;
  const auto add_cold = [&](ColdPath::Kind kind, Reg extra) {
    ColdPath& path = cold(kind);
    path.wide = wide;
    path.is_double = is_double;
    path.saturates = info.saturates;
    path.dst = dst;
    path.src = src;
    path.scratch = extra;
    return path;
  };
  if (info.is_signed) {
    a_.emit(inst, gp(dst, wide), xmm(src));
    a_.cmp(gp(dst, wide), Imm(1));  // overflows for the least integer alone
    const ColdPath path = add_cold(ColdPath::Kind::TruncateSigned, {});
    branch(Condition::Overflow, path.entry);
    bind(path.resume);
    return;
  }
  a_.emit(inst, gpq(dst), xmm(src));
  if (!wide) {
    const Reg low = scratch.general();
    a_.mov(gpd(low), gpd(dst));
    a_.cmp(gpq(low), gpq(dst));
    const ColdPath path = add_cold(ColdPath::Kind::TruncateUnsigned32, {});
    branch(Condition::NotEqual, path.entry);
    bind(path.resume);
    return;
  }
  const Reg extra = scratch.floating();
  a_.test(gpq(dst), gpq(dst));
  const ColdPath path = add_cold(ColdPath::Kind::TruncateUnsigned64, extra);
  branch(Condition::Sign, path.entry);
  bind(path.resume);
}

void X86Selection::emit_cold_truncation(const ColdPath& path) {
  if (path.kind == ColdPath::Kind::TruncateSigned) {
    emit_cold_truncation_signed(path);
  } else {
    emit_cold_truncation_unsigned(path);
  }
}

void X86Selection::emit_cold_truncation_signed(const ColdPath& path) {
  const ValueType type = path.is_double ? ValueType::F64 : ValueType::F32;
  const auto compare_with = [&](Operand other) {
    emit_float(x86::Inst::kIdUcomiss, x86::Inst::kIdUcomisd, type, path.src, other);
  };
  const auto constant = [&](double value) { return Operand::constant(bits_of(value, path.is_double)); };
  if (path.saturates) {
    const Label zero = new_label();
    compare_with(constant(0));
    a_.jp(zero);
    branch(Condition::BelowEqual, path.resume);  // the least integer is there already
    move_constant(path.wide, path.dst, path.wide ? 0x7fff'ffff'ffff'ffffU : 0x7fff'ffffU);
    jump(path.resume);
    bind(zero);
    move_constant(false, path.dst, 0);
    jump(path.resume);
    return;
  }
  compare_with(Operand::in(path.src));
  branch(Condition::Parity, trap_label(TrapCode::InvalidConversion));
  // In range are the least integer itself and, where the type can express them, fractions down to the integer below it.
  const bool has_fractions = path.is_double && !path.wide;
  compare_with(constant(path.wide ? -two_to_63 : has_fractions ? -two_to_31 - 1 : -two_to_31));
  branch(has_fractions ? Condition::BelowEqual : Condition::Below, trap_label(TrapCode::IntegerOverflow));
  compare_with(constant(0));
  branch(Condition::Below, path.resume);
  emit_trap(TrapCode::IntegerOverflow);
}

void X86Selection::emit_cold_truncation_unsigned(const ColdPath& path) {
  const ValueType type = path.is_double ? ValueType::F64 : ValueType::F32;
  const auto compare_with = [&](Operand other) {
    emit_float(x86::Inst::kIdUcomiss, x86::Inst::kIdUcomisd, type, path.src, other);
  };
  const Operand limit = Operand::constant(bits_of(two_to_63, path.is_double));
  const Operand zero = Operand::constant(0);
  if (path.kind == ColdPath::Kind::TruncateUnsigned32) {
    if (path.saturates) {
      compare_with(zero);
      move_constant(false, path.dst, 0);
      branch(Condition::BelowEqual, path.resume);  // also unordered
      move_constant(false, path.dst, 0xffff'ffff);
      jump(path.resume);
    } else {
      compare_with(Operand::in(path.src));
      branch(Condition::Parity, trap_label(TrapCode::InvalidConversion));
      emit_trap(TrapCode::IntegerOverflow);
    }
    return;
  }
  // 64 bits: from 2^63 on, convert the difference to 2^63 and set the top bit.
  const Label negative = new_label();
  const Label too_large = new_label();
  if (!path.saturates) {
    compare_with(Operand::in(path.src));
    branch(Condition::Parity, trap_label(TrapCode::InvalidConversion));
  }
  compare_with(limit);
  a_.jb(negative);  // or unordered
  move(type, path.scratch, Operand::in(path.src));
  emit_float(x86::Inst::kIdSubss, x86::Inst::kIdSubsd, type, path.scratch, limit);
  a_.emit(path.is_double ? x86::Inst::kIdCvttsd2si : x86::Inst::kIdCvttss2si, gpq(path.dst), xmm(path.scratch));
  a_.test(gpq(path.dst), gpq(path.dst));
  a_.js(too_large);
  a_.btc(gpq(path.dst), Imm(63));
  jump(path.resume);
  for (const bool large : {true, false}) {
    bind(large ? too_large : negative);
    if (path.saturates) {
      move_constant(true, path.dst, large ? ~std::uint64_t{0} : 0);
      jump(path.resume);
    } else {
      emit_trap(TrapCode::IntegerOverflow);
    }
  }
}

void X86Selection::convert(const OpInfo& info, Reg dst, Operand src, Scratch& scratch) {
  const bool is_double = info.result == ValueType::F64;
  const InstId inst = is_double ? x86::Inst::kIdCvtsi2sd : x86::Inst::kIdCvtsi2ss;
  const bool wide = is_wide(info.operand);
  const bool is_unsigned64 = wide && !info.is_signed;
  // An unsigned i32 is a positive signed i64.
  const bool from_wide = wide || !info.is_signed;
  Operand source = src;
  if (!src.is_register() && (src.is_constant() || from_wide != wide || is_unsigned64)) {
    source = Operand::in(in_general(wide, src, scratch));
  }
  const Reg half = is_unsigned64 ? scratch.general() : Reg{};
  a_.xorps(xmm(dst), xmm(dst));  // the instruction keeps the upper part: without this it would wait for the old value
  if (is_unsigned64) {
    ColdPath& path = cold(ColdPath::Kind::ConvertUnsigned64);
    path.is_double = is_double;
    path.dst = dst;
    path.src = source.reg;
    path.scratch = half;
    const Label resume = path.resume;
    a_.test(gpq(source.reg), gpq(source.reg));
    branch(Condition::Sign, path.entry);
    a_.emit(inst, xmm(dst), gpq(source.reg));
    bind(resume);
  } else if (source.is_register()) {
    a_.emit(inst, xmm(dst), gp(source.reg, from_wide));
  } else {
    a_.emit(inst, xmm(dst), memory(source, wide ? 8 : 4));
  }
}

// Halve, keeping the lost bit as a sticky one so that rounding stays right; convert; double.
void X86Selection::emit_cold_conversion(const ColdPath& path) {
  const InstId inst = path.is_double ? x86::Inst::kIdCvtsi2sd : x86::Inst::kIdCvtsi2ss;
  const Label even = new_label();
  a_.mov(gpq(path.scratch), gpq(path.src));
  a_.shr(gpq(path.scratch), Imm(1));
  a_.jnc(even);
  a_.or_(gpq(path.scratch), Imm(1));
  bind(even);
  a_.emit(inst, xmm(path.dst), gpq(path.scratch));
  a_.emit(path.is_double ? x86::Inst::kIdAddsd : x86::Inst::kIdAddss, xmm(path.dst), xmm(path.dst));
  jump(path.resume);
}

}  // namespace shunt::wasm::baseline
