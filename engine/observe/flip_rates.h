// How often keys are flipped, and when a key is demoted and promoted (shunt/demotable_key.h).
//
// Time is cut into windows of a second for each key, the first of which begins with a flip. A key is thrashing from the
// flip that exceeds the limit in its window, until a window passes with at most half the limit: half, so that a key
// near the limit does not go to and fro.
#pragma once

#include <atomic>
#include <cstdint>

#include "shunt/static_key.h"

namespace shunt::detail {

struct KeySites;

using Clock = std::uint64_t (*)() noexcept;  // nanoseconds, never backwards

std::uint64_t monotonic_clock() noexcept;

// The states of a demotable key: its values, and the same again for being demoted.
class DemotableStates {
 public:
  explicit DemotableStates(const KeyBase& key) noexcept : values_(key.states() / 2) {}

  [[nodiscard]] unsigned value(unsigned state) const noexcept { return demoted(state) ? state - values_ : state; }
  [[nodiscard]] bool demoted(unsigned state) const noexcept { return state >= values_; }
  [[nodiscard]] unsigned state(unsigned value, bool demoted) const noexcept {
    return demoted ? value + values_ : value;
  }
  // From one state of a demoted key to another of those that lead to one stub, values below `shared_stub`: the sites
  // stay as they are.
  [[nodiscard]] bool is_data_flip(unsigned from, unsigned to, unsigned shared_stub) const noexcept {
    return from != to && demoted(from) && demoted(to) && value(from) < shared_stub && value(to) < shared_stub;
  }

 private:
  unsigned values_;
};

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

  [[nodiscard]] std::uint32_t limit() const noexcept { return limit_; }

  // Whether the last flip is a window or more ago.
  [[nodiscard]] bool calm(const FlipRate& rate) const noexcept { return now_ - rate.window >= 2 * window_ns; }

  // A key's change is complete. `set`: it was set anew, which counts as a flip even if the value is the same.
  void changed(KeySites& sites, unsigned from, unsigned to, bool set) noexcept;

  std::uint64_t times_thrashing = 0, demotions = 0, promotions = 0, data_flips = 0;

  // A key may be demoted. Set by the commit that demotes one, reset by a look at all keys that finds none. Relaxed: the
  // engine's own thread is woken after it was set, which orders the two; to others it is a hint.
  std::atomic<bool> some_demoted{false};

  static constexpr std::uint64_t window_ns = 1'000'000'000;

 private:
  void flipped(KeySites& sites) noexcept;

  std::uint32_t limit_ = 0;
  Clock clock_ = nullptr;
  std::uint64_t now_ = 0;
};

}  // namespace shunt::detail
