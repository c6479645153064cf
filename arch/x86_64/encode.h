// x86-64: the instructions that patch sites consist of.
//
//   form          falls through                      branches
//   Toggle        A9 d0 d1 d2 d3  test eax, imm32    E9 d0 d1 d2 d3  jmp rel32      one byte differs
//   AlignedWord   0F 1F 44 00 00  nop                E9 d0 d1 d2 d3  jmp rel32      five bytes of one aligned 8-byte
//   word differ
//   Redirect      never                              E9 d0 d1 d2 d3  jmp rel32      as an AlignedWord
//   Call          0F 1F 44 00 00  nop                E8 d0 d1 d2 d3  call rel32     as an AlignedWord
//   Unaligned, UnalignedRedirect, UnalignedCall: as an AlignedWord, a Redirect, a Call, but of five bytes at any
//   address
//
// An AlignedWord, Redirect or Call whose five bytes would cross an 8-byte boundary carries 1 to 4 redundant prefixes 2E
// in front, so that the five begin on the boundary. It stays one instruction in both states, whatever its address: over
// all addresses it costs 10/8 = 1.25 bytes on average.
//
// Why 2E (CS override): in 64-bit mode the CS, DS, ES and SS override prefixes have no effect and are null prefixes,
// also for the rules on multiple prefixes (AMD64 APM vol. 3, 1.2.4 "Segment-Override Prefixes"; Intel SDM vol.
// 1, 3.4.2.1 "Segment Registers in 64-Bit Mode"). As a branch hint, 2E and 3E act on Jcc alone (SDM vol. 2A, 2.1.1,
// which otherwise reserves overrides on branches); `cs jmp rel32` and `cs call rel32` are what
// compilers emit for -mindirect-branch-cs-prefix. 3E would mean NOTRACK on indirect branches, 66 truncates the
// displacement on AMD, and F2/F3 have meanings of their own (BND, REP).
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "arch/site.h"

namespace shunt::arch::x86_64 {

inline constexpr std::uint8_t opcode_jmp_rel32 = 0xE9;
inline constexpr std::uint8_t opcode_call_rel32 = 0xE8;
inline constexpr std::uint8_t opcode_test_eax_imm32 = 0xA9;
inline constexpr std::uint8_t opcode_int3 = 0xCC;
inline constexpr std::uint8_t null_prefix = 0x2E;
inline constexpr std::uint64_t nop5_bits = 0x00'00'44'1F'0F;  // 0F 1F 44 00 00, little-endian

inline constexpr unsigned core_length = 5;  // the instruction without prefixes
inline constexpr unsigned max_site_length = core_length + 4;

// Prefixes that a site at `address` carries: as many as bring its five bytes into one aligned 8-byte word. A Toggle
// and unaligned forms need none.
[[nodiscard]] constexpr unsigned prefix_length(SiteForm form, std::uint64_t address) noexcept {
  const unsigned in_word = address & 7;
  return form == SiteForm::Toggle || is_unaligned(form) || in_word <= 8 - core_length ? 0 : 8 - in_word;
}

[[nodiscard]] constexpr unsigned site_length(SiteForm form, std::uint64_t address) noexcept {
  return prefix_length(form, address) + core_length;
}

// rel32 of a JMP or CALL whose five bytes begin at `core`: target - (core + 5), range [-2^31, 2^31). Empty if out of
// range.
[[nodiscard]] constexpr std::optional<std::uint32_t> displacement(std::uint64_t core, std::uint64_t target) noexcept {
  const auto distance = static_cast<std::int64_t>(target - (core + core_length));
  if (distance < INT32_MIN || distance > INT32_MAX) return std::nullopt;
  return static_cast<std::uint32_t>(distance);
}

// A site's branch reaches every place that is less than this far away, on either side.
inline constexpr std::int64_t branch_range = (std::int64_t{1} << 31) - max_site_length;

[[nodiscard]] constexpr bool reaches(SiteForm form, std::uint64_t address, std::uint64_t target) noexcept {
  return displacement(address + prefix_length(form, address), target).has_value();
}

// The opcode of the branch that a site makes.
[[nodiscard]] constexpr std::uint8_t branch_opcode(SiteForm form) noexcept {
  return is_call(form) ? opcode_call_rel32 : opcode_jmp_rel32;
}

// The five bytes of a site, little-endian in the low 40 bits. A Redirect branches, whatever the direction says.
// Precondition: reaches(target), unless the form does not encode it.
[[nodiscard]] constexpr std::uint64_t core_bits(SiteForm form, std::uint64_t core, Direction direction) noexcept {
  const bool branches = direction.branches || is_redirect(form);
  if (form != SiteForm::Toggle && !branches) return nop5_bits;
  const std::uint64_t opcode = branches ? branch_opcode(form) : opcode_test_eax_imm32;
  return opcode | static_cast<std::uint64_t>(static_cast<std::uint32_t>(direction.target - (core + core_length))) << 8;
}

// All bytes of a site in one state. Precondition as above.
[[nodiscard]] constexpr SiteBytes encode(SiteForm form, std::uint64_t address, Direction direction) noexcept {
  SiteBytes out;
  const unsigned prefixes = prefix_length(form, address);
  for (unsigned i = 0; i < prefixes; ++i) out.bytes[i] = null_prefix;
  const std::uint64_t bits = core_bits(form, address + prefixes, direction);
  for (unsigned i = 0; i < core_length; ++i) out.bytes[prefixes + i] = static_cast<std::uint8_t>(bits >> (8 * i));
  out.length = static_cast<std::uint8_t>(prefixes + core_length);
  return out;
}

// A jump to anywhere: FF 25 00 00 00 00 imm64, jmp [rip], with the address behind it. Touches no register and no flag.
[[nodiscard]] constexpr SiteBytes far_jump(std::uint64_t target) noexcept {
  SiteBytes out;
  out.bytes = {0xFF, 0x25};
  for (unsigned i = 0; i < 8; ++i) out.bytes[6 + i] = static_cast<std::uint8_t>(target >> (8 * i));
  out.length = 14;
  return out;
}

// Free code: every byte traps.
constexpr void fill_with_traps(std::span<std::uint8_t> code) noexcept {
  for (std::uint8_t& byte : code) byte = opcode_int3;
}

}  // namespace shunt::arch::x86_64
