// The flip log: every site that an engine's commits write, with the bytes before and after.
//
// Engine::start_flip_log() makes a ring of fixed size and switches the log on, Engine::flip_log() reads it. The switch
// is a static key of the engine's own and a site in a small function that every commit goes through: the loop that
// writes sites is the same code with and without the log. What it costs while it is off: docs/seeing.md.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace shunt {

// One site that was written.
struct FlipRecord {
  std::uint64_t number = 0;      // counts from 0 since the log was started
  std::uint64_t time_ns = 0;     // CLOCK_MONOTONIC, when its batch began to write
  std::uint64_t generation = 0;  // of the commit, as CommitReport has it
  const std::uint8_t* site = nullptr;
  std::uint8_t length = 0;  // bytes of the site's instruction
  std::array<std::uint8_t, 15> before{}, after{};
  std::array<char, 40> key{};  // its name, cut off if it is longer; always ends with NUL
};

struct FlipLog {
  std::vector<FlipRecord> records;  // the latest, in the order in which they were written
  std::uint64_t dropped = 0;        // earlier ones that are no longer in the ring
};

}  // namespace shunt
