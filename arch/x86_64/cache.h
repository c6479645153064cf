// x86-64: instruction caches are coherent with stores, through whatever address they were made (AMD64 APM vol.
// 2, 7.6.1; Intel SDM vol. 3A, 12.6 "Self-Modifying Code"): no maintenance. What remains is that each core executes a
// serialising instruction, which is the core serialisation's work.
#pragma once

#include <cstdint>
#include <span>

#include "arch/site.h"

namespace shunt::arch::x86_64 {

inline constexpr CacheTraits cache_traits{64, 64, false, false};

[[nodiscard]] constexpr bool needs_maintenance(const CacheTraits&) noexcept {
  return false;
}

// The steps after all stores of a batch: none.
template <class Operations>
constexpr void maintain(const CacheTraits&, std::span<const CodeRange>, Operations&&) {}

}  // namespace shunt::arch::x86_64
