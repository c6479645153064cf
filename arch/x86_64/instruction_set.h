// x86-64 as a type, for templates over instruction sets (concept arch::InstructionSet in arch/backend.h).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "arch/site.h"
#include "arch/x86_64/cache.h"
#include "arch/x86_64/decode.h"
#include "arch/x86_64/encode.h"
#include "arch/x86_64/transition.h"

namespace shunt::arch::x86_64 {

struct InstructionSet {
  static constexpr std::string_view name = "x86-64";

  static constexpr bool supports(SiteForm form) noexcept { return x86_64::supports(form); }
  static constexpr bool placeable(SiteForm form, std::uint64_t address) noexcept {
    return x86_64::placeable(form, address);
  }
  static constexpr unsigned site_length(SiteForm form, std::uint64_t address) noexcept {
    return x86_64::site_length(form, address);
  }
  static constexpr bool reaches(SiteForm form, std::uint64_t address, std::uint64_t target) noexcept {
    return x86_64::reaches(form, address, target);
  }
  static constexpr bool legal(SiteForm form, Direction from, Direction to) noexcept {
    return x86_64::legal(form, from, to);
  }
  static constexpr SiteBytes encode(SiteForm form, std::uint64_t address, Direction direction) noexcept {
    return x86_64::encode(form, address, direction);
  }
  static bool is_site(const std::uint8_t* at, SiteForm form, std::uint64_t address) noexcept {
    return x86_64::is_site(at, form, address);
  }
  static bool holds(const std::uint8_t* at, SiteForm form, std::uint64_t address, Direction direction) noexcept {
    return x86_64::holds(at, form, address, direction);
  }
  static SiteStore rewrite(const std::uint8_t* at, SiteForm form, std::uint64_t address, Direction to) noexcept {
    return x86_64::rewrite(at, form, address, to);
  }
  static constexpr void fill_with_traps(std::span<std::uint8_t> code) noexcept { x86_64::fill_with_traps(code); }
  static constexpr bool needs_maintenance(const CacheTraits& traits) noexcept {
    return x86_64::needs_maintenance(traits);
  }
  template <class Operations>
  static constexpr void maintain(const CacheTraits& traits, std::span<const CodeRange> ranges,
                                 Operations&& operations) {
    x86_64::maintain(traits, ranges, operations);
  }
  static constexpr Text disassemble(std::span<const std::uint8_t> code, std::uint64_t address) noexcept {
    return x86_64::text(x86_64::decode(code, address), address);
  }
};

}  // namespace shunt::arch::x86_64
