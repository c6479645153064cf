// x86-64: which rewrites of a site are legal while other cores execute it, and the one store that makes each.
//
// A store that lies in one naturally aligned quadword is seen whole or not at all by instruction fetch: AMD documents
// that as asynchronous modification (AMD64 APM vol. 2, 7.6.1, under "Cross-Modifying Code"). Intel's manual
// promises only synchronised cross-modification (SDM vol. 3A, 9.1.3 "Handling Self- and Cross-Modifying Code");
// docs/patching-protocol.md says what we rely on. So:
//   Toggle        test <-> jmp with the same displacement: one byte.
//   AlignedWord   nop <-> jmp, jmp <-> jmp: one 8-byte store of the word that holds all five bytes.
//   Redirect      jmp <-> jmp: the same store.
//   Call          nop <-> call, call <-> call: the same store. A thread in the function that was called returns behind
//                 the site, whatever stands there by then: the site is equally long in every state.
//   unaligned     the same rewrites, but by the breakpoint protocol (breakpoint.h): no single store does it.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "arch/site.h"
#include "arch/x86_64/encode.h"

namespace shunt::arch::x86_64 {

[[nodiscard]] constexpr bool supports(SiteForm) noexcept {
  return true;
}

// Whether a site may stand at `address`: everywhere, since prefixes absorb any misalignment.
[[nodiscard]] constexpr bool placeable(SiteForm, std::uint64_t) noexcept {
  return true;
}

// Whether the site may go from one direction to the other while others execute it.
[[nodiscard]] constexpr bool legal(SiteForm form, Direction from, Direction to) noexcept {
  if (form == SiteForm::Toggle) return from.target == to.target;
  return !is_redirect(form) || (from.branches && to.branches);
}

namespace detail {
[[nodiscard]] inline std::uint64_t load64(const std::uint8_t* at) noexcept {
  std::uint64_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}
inline constexpr std::uint64_t core_mask = 0xFF'FFFF'FFFF;
inline constexpr std::uint64_t prefixes_in_word = 0x2E2E'2E2E'2E2E'2E2E;
static_assert((prefixes_in_word & 0xFF) == null_prefix);

// Where a site has its five bytes and its prefixes, by the place of its first byte in an aligned word. A table, because
// sites stand anywhere: a branch on the place would be predicted wrongly every other time, which costs more than all
// the rest of a rewrite.
struct alignas(32) CorePlace {
  std::uint64_t prefix_mask;  // of the site's first aligned word: the bytes that are prefixes
  std::uint64_t core_mask;    // of the aligned word that holds the five bytes: these
  std::uint8_t prefixes;      // bytes
  std::uint8_t word;          // from the first aligned word to the one that holds the five bytes: 0 or 8
  std::uint8_t shift;         // of the five bytes in it, bits
};
inline constexpr std::array<CorePlace, 8> core_places = [] {
  std::array<CorePlace, 8> places{};
  for (unsigned begin = 0; begin < 8; ++begin) {
    const unsigned prefixes = prefix_length(SiteForm::AlignedWord, begin);
    const auto shift = static_cast<std::uint8_t>(prefixes == 0 ? 8 * begin : 0);
    places[begin] = {prefixes == 0 ? 0 : ~std::uint64_t{0} << 8 * begin, core_mask << shift,
                     static_cast<std::uint8_t>(prefixes), static_cast<std::uint8_t>(prefixes == 0 ? 0 : 8), shift};
  }
  return places;
}();
}  // namespace detail

// Whether the bytes at `at` are those of the site at `address` in the given direction: all of them, prefixes too. Reads
// the aligned 8-byte words that the site touches.
[[nodiscard]] inline bool holds(const std::uint8_t* at, SiteForm form, std::uint64_t address,
                                Direction direction) noexcept {
  if (form == SiteForm::Toggle || is_unaligned(form)) {
    std::uint32_t operand;
    std::memcpy(&operand, at + 1, sizeof operand);
    return (std::uint64_t{operand} << 8 | *at) == core_bits(form, address, direction);
  }
  const detail::CorePlace& place = detail::core_places[address & 7];
  const std::uint8_t* const first = at - (address & 7);
  const std::uint64_t core = core_bits(form, address + place.prefixes, direction) << place.shift;
  return (((detail::load64(first + place.word) ^ core) & place.core_mask) |
          ((detail::load64(first) ^ detail::prefixes_in_word) & place.prefix_mask)) == 0;
}

// Whether a site of this form stands at `at`, whatever its direction and target.
[[nodiscard]] inline bool is_site(const std::uint8_t* at, SiteForm form, std::uint64_t address) noexcept {
  if (form == SiteForm::Toggle) return *at == opcode_test_eax_imm32 || *at == opcode_jmp_rel32;
  const unsigned prefixes = prefix_length(form, address);
  for (unsigned i = 0; i < prefixes; ++i) {
    if (at[i] != null_prefix) return false;
  }
  return at[prefixes] == branch_opcode(form) || (!is_redirect(form) && holds(at, form, address, {}));
}

// The store that brings the site to `to`; `at` holds its present bytes. Precondition: the transition is legal, `to` is
// in reach, and the form is none of the unaligned ones.
[[nodiscard]] inline SiteStore rewrite(const std::uint8_t* at, SiteForm form, std::uint64_t address,
                                       Direction to) noexcept {
  if (form == SiteForm::Toggle) {
    return {0, 1, *at, to.branches ? std::uint64_t{opcode_jmp_rel32} : std::uint64_t{opcode_test_eax_imm32}};
  }
  const detail::CorePlace& place = detail::core_places[address & 7];
  const auto offset = static_cast<std::int8_t>(place.word - static_cast<int>(address & 7));
  const std::uint64_t old_word = detail::load64(at + offset);
  const std::uint64_t core = core_bits(form, address + place.prefixes, to) << place.shift;
  return {offset, 8, old_word, (old_word & ~place.core_mask) | core};
}

}  // namespace shunt::arch::x86_64
