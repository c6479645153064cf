// Waiting for threads: what commit_and_settle(), commit_and_drain() and Engine::retire() have in common.
//
// Settled: every attached thread has passed a safepoint since, or is away from guest code and takes its decisions anew.
// Drained: no attached thread has a frame, a return address or a resume point in the old path.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace shunt {

// A piece of memory that holds code, by the addresses at which it is executed.
struct CodeExtent {
  const void* begin = nullptr;
  std::size_t size = 0;  // bytes

  [[nodiscard]] const void* end() const noexcept { return static_cast<const std::uint8_t*>(begin) + size; }
};

// How long a call may wait for threads; empty: for as long as it takes.
using WaitLimit = std::optional<std::chrono::nanoseconds>;

// Of one wait.
struct QuiescenceReport {
  std::uint32_t threads = 0;  // that had to be seen
  std::uint32_t rounds = 0;   // in which it took part; 0: all threads were away from guest code
};

// Of an engine, since it was made.
struct QuiescenceCounts {
  std::uint64_t waits = 0;            // for Settled or Drained, retirements included
  std::uint64_t rounds = 0;           // each looks once at every thread that somebody waits for
  std::uint64_t safepoint_flips = 0;  // of the safepoint key: two a round in which a thread was in guest code
  std::uint64_t looks = 0;            // at threads
  std::uint64_t retired = 0;          // pieces of code handed to retire()
  std::uint64_t freed = 0;            // those of them that were freed
};

}  // namespace shunt
