#include "runtime/wasm/baseline/arm64_constants.h"

#include <algorithm>
#include <bit>

namespace shunt::wasm::baseline::arm64 {

using namespace asmjit;  // NOLINT(google-build-using-namespace): mnemonics and registers

void move_constant(a64::Assembler& a, bool wide, unsigned reg, std::uint64_t bits) {
  constexpr std::uint64_t all = 0xffff;
  if (!wide) bits &= 0xffff'ffff;
  // A write of the lower half clears the upper one.
  const bool narrow = bits <= 0xffff'ffff;
  const a64::Gp dst = narrow ? a64::Gp(a64::w(reg)) : a64::Gp(a64::x(reg));
  const unsigned halves = narrow ? 2 : 4;
  const auto half = [bits](unsigned index) { return bits >> (16 * index) & all; };
  unsigned zeros = 0;
  unsigned ones = 0;
  for (unsigned i = 0; i < halves; ++i) {
    zeros += half(i) == 0 ? 1 : 0;
    ones += half(i) == all ? 1 : 0;
  }
  if (halves - std::max(zeros, ones) > 1 && is_logical_immediate(!narrow, bits)) {
    a.orr(dst, narrow ? a64::Gp(a64::wzr) : a64::Gp(a64::xzr), Imm(bits));
    return;
  }
  const bool inverts = ones > zeros;
  const std::uint64_t background = inverts ? all : 0;
  // The first instruction also sets all halves that need none of their own.
  unsigned first = 0;
  while (first < halves && half(first) == background) ++first;
  if (first == halves) first = 0;
  if (inverts) {
    a.movn(dst, Imm(half(first) ^ all), Imm(16 * first));
  } else {
    a.movz(dst, Imm(half(first)), Imm(16 * first));
  }
  for (unsigned i = first + 1; i < halves; ++i) {
    if (half(i) != background) a.movk(dst, Imm(half(i)), Imm(16 * i));
  }
}

void jump(a64::Assembler& a, std::uintptr_t here, std::uintptr_t target, unsigned scratch) {
  constexpr std::int64_t reach = std::int64_t{1} << 27;
  const auto distance = static_cast<std::int64_t>(target - here);
  if (distance >= -reach && distance < reach) {
    constexpr std::uint32_t b = 0x1400'0000;
    const std::uint32_t word = b | (static_cast<std::uint32_t>(distance >> 2) & 0x3ff'ffff);
    a.embed(&word, sizeof word);
  } else {
    move_constant(a, true, scratch, target);
    a.br(a64::x(scratch));
  }
}

std::optional<double> float_immediate(bool is_double, std::uint64_t bits) {
  const double value = is_double ? std::bit_cast<double>(bits) : std::bit_cast<float>(static_cast<std::uint32_t>(bits));
  // Exponents -3 to 4, and four bits of fraction.
  const auto wide = std::bit_cast<std::uint64_t>(value);
  constexpr std::uint64_t fraction = (std::uint64_t{1} << 52) - 1;
  const auto exponent = static_cast<int>(wide >> 52 & 0x7ff) - 1023;
  if (exponent < -3 || exponent > 4 || (wide & fraction & ~(std::uint64_t{0xf} << 48)) != 0) return std::nullopt;
  return value;
}

}  // namespace shunt::wasm::baseline::arm64
