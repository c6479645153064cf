// How often keys are flipped, and when a key is demoted and promoted (shunt/demotable_key.h).
//
// Time is cut into windows of a second for each key, the first of which begins with a flip. A key is thrashing from the
// flip that exceeds the limit in its window, until a window passes with at most half the limit: half, so that a key
// near the limit does not go to and fro.
#pragma once

#include <cstdint>

namespace shunt::detail {

struct KeySites;

using Clock = std::uint64_t (*)() noexcept;  // nanoseconds, never backwards

std::uint64_t monotonic_clock() noexcept;

// Of one key.
struct FlipRate {
  std::uint64_t window = 0;  // when it began, ns
  std::uint64_t flips = 0;   // in it
  bool thrashing = false;
};

// Not thread-safe: the engine's commit lock protects it, and the rates of its keys.
class FlipRates {
 public:
  // `limit`: flips a second; 0: none.
  void configure(std::uint32_t limit, Clock clock) noexcept {
    limit_ = limit;
    clock_ = clock;
  }

  void begin_commit() noexcept { now_ = limit_ == 0 ? 0 : clock_(); }

  // The rate with one more flip now.
  [[nodiscard]] FlipRate with_flip(FlipRate rate) const noexcept;

  // Whether the last flip is a window or more ago.
  [[nodiscard]] bool calm(const FlipRate& rate) const noexcept { return now_ - rate.window >= 2 * window_ns; }

  // The state to give to a demotable key that is now in `state` and shall be `on`; what the bits mean is in
  // demotable_key.h.
  [[nodiscard]] unsigned next_state(const FlipRate& rate, unsigned state, bool on) const noexcept;

  // A key's change is complete.
  void changed(KeySites& sites, unsigned from, unsigned to) noexcept;

  std::uint64_t times_thrashing = 0, demotions = 0, promotions = 0, data_flips = 0;

 private:
  static constexpr std::uint64_t window_ns = 1'000'000'000;
  std::uint32_t limit_ = 0;
  Clock clock_ = nullptr;
  std::uint64_t now_ = 0;
};

// From one state of a demoted key to the other: the sites stay as they are.
[[nodiscard]] constexpr bool is_data_flip(unsigned from, unsigned to) noexcept {
  return from != to && (from & to & 2) != 0;
}

}  // namespace shunt::detail
