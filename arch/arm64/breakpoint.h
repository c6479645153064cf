// arm64: no breakpoint protocol. Every rewrite that sites make is one that the architecture lets others execute
// meanwhile (transition.h).
#pragma once

#include <cstdint>
#include <optional>

#include "arch/site.h"

namespace shunt::arch::arm64 {

inline constexpr std::optional<std::uint8_t> breakpoint_byte = std::nullopt;

[[nodiscard]] constexpr bool needs_breakpoint(SiteForm) noexcept {
  return false;
}

// Never asked for.
[[nodiscard]] constexpr Resumption resumption(SiteForm, std::uint64_t, Direction) noexcept {
  return {};
}

[[nodiscard]] constexpr bool may_begin_site(std::uint8_t) noexcept {
  return false;
}

}  // namespace shunt::arch::arm64
