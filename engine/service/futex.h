// Sleeping until a word changes: futex(2).
#pragma once

#include <atomic>
#include <cstdint>

namespace shunt::detail {

// Returns when woken, at once if `word` is not `expected`, or for no reason at all: look again. A signal's handler may
// run meanwhile.
void futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected) noexcept;

// Wakes all threads that sleep on `word`, whose memory need not exist any more. Async-signal-safe; keeps errno.
void futex_wake_all(const std::atomic<std::uint32_t>& word) noexcept;

}  // namespace shunt::detail
