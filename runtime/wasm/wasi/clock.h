// Guests' clocks on the host.
#pragma once

#include <time.h>

#include <cstdint>
#include <optional>

#include "runtime/wasm/wasi/abi.h"

namespace shunt::wasi {

// The host's clock for a guest's clock id, or nothing if there is no such id.
[[nodiscard]] std::optional<clockid_t> host_clock(std::uint32_t id) noexcept;

// Nanoseconds of a host clock that exists.
[[nodiscard]] std::uint64_t now(clockid_t clock) noexcept;

}  // namespace shunt::wasi
