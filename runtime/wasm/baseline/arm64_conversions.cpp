// arm64: conversions between integers and floats. The instructions saturate, and make zero of NaNs, as WebAssembly's
// saturating truncations do; those that trap compare with the range's ends first.
#include <bit>

#include "runtime/wasm/baseline/arm64_selection.h"

namespace shunt::wasm::baseline {

using namespace asmjit;  // NOLINT(google-build-using-namespace): mnemonics and registers

namespace {

std::uint64_t bits_of(double value, bool is_double) {
  return is_double ? std::bit_cast<std::uint64_t>(value) : std::bit_cast<std::uint32_t>(static_cast<float>(value));
}

struct Range {
  double low;         // too small, with `excludes_low` this one too
  bool excludes_low;  // else it is the least integer itself
  double high;        // the least that is too large
};

// A fraction between the least integer and the one below it is in range, where the type can express one.
Range range_of(bool is_signed, bool wide, bool is_double) {
  constexpr double two_to_31 = 2147483648.0;
  constexpr double two_to_63 = 9223372036854775808.0;
  if (!is_signed) return {-1, true, wide ? 2 * two_to_63 : 2 * two_to_31};
  if (wide) return {-two_to_63, false, two_to_63};
  if (is_double) return {-two_to_31 - 1, true, two_to_31};
  return {-two_to_31, false, two_to_31};
}

}  // namespace

void Arm64Selection::check_truncation(const OpInfo& info, Reg src) {
  const ValueType type = info.operand;
  const bool is_double = type == ValueType::F64;
  const Range range = range_of(info.is_signed, is_wide(info.result), is_double);
  const auto compare_with = [&](double bound) {
    float_constant(type, v31, bits_of(bound, is_double));
    a_.fcmp(vec(src, type), vec(v31, type));
  };
  a_.fcmp(vec(src, type), vec(src, type));
  branch_to_trap(Condition::VS, TrapCode::InvalidConversion);
  compare_with(range.high);
  branch_to_trap(Condition::GE, TrapCode::IntegerOverflow);
  compare_with(range.low);
  branch_to_trap(range.excludes_low ? Condition::LS : Condition::MI, TrapCode::IntegerOverflow);
}

void Arm64Selection::truncate(const OpInfo& info, Reg dst, Reg src, Scratch&) {
  if (!info.saturates) check_truncation(info, src);
  const Gp result = gp(dst, is_wide(info.result));
  if (info.is_signed) {
    a_.fcvtzs(result, vec(src, info.operand));
  } else {
    a_.fcvtzu(result, vec(src, info.operand));
  }
}

void Arm64Selection::convert(const OpInfo& info, Reg dst, Operand src, Scratch&) {
  const bool wide = is_wide(info.operand);
  const Gp value = gp(in_general(wide, src, x16), wide);
  if (info.is_signed) {
    a_.scvtf(vec(dst, info.result), value);
  } else {
    a_.ucvtf(vec(dst, info.result), value);
  }
}

}  // namespace shunt::wasm::baseline
