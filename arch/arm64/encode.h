// arm64: the instructions that patch sites consist of. Every instruction is one aligned 32-bit word, little-endian.
//
//   form          falls through     branches
//   AlignedWord   D503201F  nop     000101 imm26  b
//   Redirect      never             000101 imm26  b
//   Call          D503201F  nop     100101 imm26  bl
//
// BRK is encoded for traps; Toggle does not exist on arm64 (a word is stored whole, so nothing is won).
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "arch/site.h"

namespace shunt::arch::arm64 {

inline constexpr std::uint32_t nop_word = 0xD503201F;
inline constexpr std::uint32_t b_opcode = 0x14000000;   // bits 31:26 = 000101
inline constexpr std::uint32_t bl_opcode = 0x94000000;  // bits 31:26 = 100101
inline constexpr std::uint32_t branch_opcode_mask = 0xFC000000;
inline constexpr std::uint32_t brk_opcode = 0xD4200000;
inline constexpr std::uint32_t brk_opcode_mask = 0xFFE0001F;
inline constexpr std::uint16_t trap_immediate = 0x5348;  // marks free code in a debugger

inline constexpr unsigned site_bytes = 4;
inline constexpr std::int64_t branch_range = std::int64_t{1} << 27;  // +-128 MiB

// imm26 of B and BL: (target - address) / 4, range [-2^25, 2^25). Empty if out of range, or if either is not a multiple
// of 4.
[[nodiscard]] constexpr std::optional<std::uint32_t> branch_field(std::uint64_t address,
                                                                  std::uint64_t target) noexcept {
  const auto distance = static_cast<std::int64_t>(target - address);
  if (((address | target) & 3) != 0 || distance < -branch_range || distance >= branch_range) return std::nullopt;
  return static_cast<std::uint32_t>(distance >> 2) & ~branch_opcode_mask;
}

[[nodiscard]] constexpr std::optional<std::uint32_t> encode_b(std::uint64_t address, std::uint64_t target) noexcept {
  const auto field = branch_field(address, target);
  return field ? std::optional(b_opcode | *field) : std::nullopt;
}
[[nodiscard]] constexpr std::optional<std::uint32_t> encode_bl(std::uint64_t address, std::uint64_t target) noexcept {
  const auto field = branch_field(address, target);
  return field ? std::optional(bl_opcode | *field) : std::nullopt;
}
[[nodiscard]] constexpr std::uint32_t encode_brk(std::uint16_t immediate) noexcept {
  return brk_opcode | std::uint32_t{immediate} << 5;
}

[[nodiscard]] constexpr bool reaches(SiteForm form, std::uint64_t address, std::uint64_t target) noexcept {
  return form != SiteForm::Toggle && branch_field(address, target).has_value();
}

[[nodiscard]] constexpr unsigned site_length(SiteForm, std::uint64_t) noexcept {
  return site_bytes;
}

// The opcode of the branch that a site makes.
[[nodiscard]] constexpr std::uint32_t branch_opcode(SiteForm form) noexcept {
  return form == SiteForm::Call ? bl_opcode : b_opcode;
}

// A site's word. A Redirect branches, whatever the direction says. Precondition: reaches(target) if it branches.
[[nodiscard]] constexpr std::uint32_t site_word(SiteForm form, std::uint64_t address, Direction direction) noexcept {
  if (!direction.branches && form != SiteForm::Redirect) return nop_word;
  return branch_opcode(form) | (static_cast<std::uint32_t>((direction.target - address) >> 2) & ~branch_opcode_mask);
}

// All bytes of a site in one state. Precondition as above.
[[nodiscard]] constexpr SiteBytes encode(SiteForm form, std::uint64_t address, Direction direction) noexcept {
  SiteBytes out;
  const std::uint32_t word = site_word(form, address, direction);
  for (; out.length < site_bytes; ++out.length)
    out.bytes[out.length] = static_cast<std::uint8_t>(word >> (8 * out.length));
  return out;
}

// A jump to anywhere: ldr x16, #8; br x16; with the address behind it. Changes X16, the register that the procedure
// call standard leaves to veneers.
[[nodiscard]] constexpr SiteBytes far_jump(std::uint64_t target) noexcept {
  constexpr std::uint32_t ldr_x16_8 = 0x58000050;
  constexpr std::uint32_t br_x16 = 0xD61F0200;
  SiteBytes out;
  for (unsigned i = 0; i < 4; ++i) {
    out.bytes[i] = static_cast<std::uint8_t>(ldr_x16_8 >> (8 * i));
    out.bytes[4 + i] = static_cast<std::uint8_t>(br_x16 >> (8 * i));
  }
  for (unsigned i = 0; i < 8; ++i) out.bytes[8 + i] = static_cast<std::uint8_t>(target >> (8 * i));
  out.length = 16;
  return out;
}

// Free code: every whole word traps. Precondition: `code` begins at a multiple of 4; a tail of less than a word is
// zeroed (UDF).
constexpr void fill_with_traps(std::span<std::uint8_t> code) noexcept {
  const std::uint32_t word = encode_brk(trap_immediate);
  const std::size_t whole = code.size() & ~std::size_t{3};
  for (std::size_t i = 0; i < code.size(); ++i) {
    code[i] = i < whole ? static_cast<std::uint8_t>(word >> (8 * (i & 3))) : std::uint8_t{0};
  }
}

}  // namespace shunt::arch::arm64
