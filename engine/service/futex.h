// Sleeping until a word changes: futex(2).
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace shunt::detail {

inline constexpr std::chrono::nanoseconds no_limit = std::chrono::nanoseconds::max();

// Returns when woken, after `limit`, at once if `word` is not `expected`, or for no reason at all: look again. A
// signal's handler may run meanwhile.
void futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                std::chrono::nanoseconds limit = no_limit) noexcept;

// Wakes all threads that sleep on `word`, whose memory need not exist any more. Async-signal-safe; keeps errno.
void futex_wake_all(const std::atomic<std::uint32_t>& word) noexcept;

}  // namespace shunt::detail
