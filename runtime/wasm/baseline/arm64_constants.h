// arm64: which constants fit where, and the sequence that makes any constant in a register. asmjit refuses what does
// not fit.
#pragma once

#include <asmjit/arm/a64assembler.h>
#include <asmjit/arm/a64utils.h>

#include <cstdint>
#include <optional>

namespace shunt::wasm::baseline::arm64 {

// An immediate of ADD, SUB, CMP and CMN: 12 bits, perhaps shifted by 12.
constexpr bool is_add_immediate(std::uint64_t value) {
  return value < 0x1000 || (value < 0x100'0000 && (value & 0xfff) == 0);
}

// An immediate of AND, ORR, EOR and TST: a rotated run of ones, repeated (DDI 0487, "DecodeBitMasks").
inline bool is_logical_immediate(bool wide, std::uint64_t bits) {
  const std::uint64_t value = wide ? bits : bits & 0xffff'ffff;
  if (value == 0 || value == (wide ? ~std::uint64_t{0} : 0xffff'ffff)) return false;
  return asmjit::a64::Utils::isLogicalImm(value, wide ? 64 : 32);
}

// Whether [base + offset] of an access of `bytes` is one operand: 12 bits of multiples, or 9 signed bits.
constexpr bool is_access_offset(std::int64_t offset, std::uint32_t bytes) {
  if (offset >= -256 && offset < 256) return true;
  return offset >= 0 && offset % bytes == 0 && offset / bytes < 0x1000;
}

// Of a load or store of two words.
constexpr bool is_pair_offset(std::int64_t offset) {
  return offset >= -512 && offset <= 504 && offset % 8 == 0;
}

// At most four instructions; keeps the flags.
void move_constant(asmjit::a64::Assembler& a, bool wide, unsigned reg, std::uint64_t bits);
inline constexpr std::size_t longest_constant = 4 * 4;  // bytes

// B to `target`, or its address as a constant and BR where B does not reach; the next instruction emitted will run at
// `here`. At most longest_constant + 4 bytes; destroys `scratch` then.
void jump(asmjit::a64::Assembler& a, std::uintptr_t here, std::uintptr_t target, unsigned scratch);

// FMOV's immediate for these bits of a float, if it has them: a sign, 3 bits of exponent, 4 of fraction.
std::optional<double> float_immediate(bool is_double, std::uint64_t bits);

}  // namespace shunt::wasm::baseline::arm64
