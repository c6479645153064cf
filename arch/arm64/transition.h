// arm64: which rewrites of a site are legal while other cores execute it, and the one store that makes each.
//
// Arm ARM (DDI 0487), B2.2.5 "Concurrent modification and execution of instructions": B, BL, BRK, HVC, ISB, NOP, SMC
// and SVC may be changed into one another while another core executes them; it then executes the old or the new one.
// This is the list of issue E.a; that of M.a.a has conditional branches and TRCIT, too, which no site needs.
// Anything else is CONSTRAINED UNPREDICTABLE. The change must be single-copy atomic: one aligned 32-bit store.
#pragma once

#include <cstdint>
#include <cstring>

#include "arch/arm64/encode.h"
#include "arch/site.h"

namespace shunt::arch::arm64 {

// Whether `word` is one of the instructions that may be modified while others execute them.
[[nodiscard]] constexpr bool concurrently_modifiable(std::uint32_t word) noexcept {
  const std::uint32_t branch = word & branch_opcode_mask;
  if (branch == b_opcode || branch == bl_opcode || word == nop_word) return true;
  if ((word & 0xFFFFF0FF) == 0xD50330DF) return true;  // ISB, any option
  switch (word & 0xFFE0001F) {
    case 0xD4000001:  // SVC
    case 0xD4000002:  // HVC
    case 0xD4000003:  // SMC
    case brk_opcode:
      return true;
    default:
      return false;
  }
}

[[nodiscard]] constexpr bool legal_words(std::uint32_t from, std::uint32_t to) noexcept {
  return concurrently_modifiable(from) && concurrently_modifiable(to);
}

[[nodiscard]] constexpr bool supports(SiteForm form) noexcept {
  return form != SiteForm::Toggle && !is_unaligned(form);  // every instruction is aligned
}
[[nodiscard]] constexpr bool placeable(SiteForm, std::uint64_t address) noexcept {
  return (address & 3) == 0;
}

// NOP <-> B, B <-> B, NOP <-> BL and BL <-> BL are the only rewrites that sites make.
[[nodiscard]] constexpr bool legal(SiteForm form, Direction from, Direction to) noexcept {
  return supports(form) && (form != SiteForm::Redirect || (from.branches && to.branches));
}

namespace detail {
[[nodiscard]] inline std::uint32_t load32(const std::uint8_t* at) noexcept {
  std::uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}
}  // namespace detail

// Whether the bytes at `at` are those of the site at `address` in the given direction.
[[nodiscard]] inline bool holds(const std::uint8_t* at, SiteForm form, std::uint64_t address,
                                Direction direction) noexcept {
  return detail::load32(at) == site_word(form, address, direction);
}

// Whether a site of this form stands at `at`, whatever its direction and target.
[[nodiscard]] inline bool is_site(const std::uint8_t* at, SiteForm form, std::uint64_t) noexcept {
  const std::uint32_t word = detail::load32(at);
  return (word == nop_word && form != SiteForm::Redirect) || (word & branch_opcode_mask) == branch_opcode(form);
}

// The store that brings the site to `to`; `at` holds its present bytes. Precondition: `to` is in reach.
[[nodiscard]] inline SiteStore rewrite(const std::uint8_t* at, SiteForm form, std::uint64_t address,
                                       Direction to) noexcept {
  return {0, 4, detail::load32(at), site_word(form, address, to)};
}

}  // namespace shunt::arch::arm64
