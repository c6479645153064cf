// What the stress tests run: functions that begin with a patch site and return the state that they found, and the check
// of what they returned against the flips that were under way.
//
// One thread flips. For flip n (state = n mod k) it does, in this order:
//
//   begun = n            release
//   commit()
//   completed = n        release
//
// A runner does, in this order:
//
//   c = completed        acquire
//   found = function()
//   b = begun            acquire
//
// What Synced promises: `found` is the state of one of the flips c to b. Anything older is a stale instruction,
// anything else is torn. Synchronisation is that of the two counters alone; the site takes no part in it.
#pragma once

#include <chrono>
#include <csetjmp>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>

#include "shunt/engine.h"
#include "tests/engine/host_code.h"

namespace shunt::test {

using Clock = std::chrono::steady_clock;

inline constexpr int torn = -1;

// While this lives, a thread that a torn instruction leads astray (into traps, or into memory without access) comes
// back: call() gives `torn`. One at a time.
class TornGuard {
 public:
  TornGuard() {
    struct sigaction action{};
    action.sa_sigaction = &come_back;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;  // siglongjmp leaves the handler, and the mask must stay as it was
    for (std::size_t i = 0; i < std::size(signals); ++i) sigaction(signals[i], &action, &old_actions_[i]);
  }
  ~TornGuard() {
    for (std::size_t i = 0; i < std::size(signals); ++i) sigaction(signals[i], &old_actions_[i], nullptr);
  }
  TornGuard(const TornGuard&) = delete;
  TornGuard& operator=(const TornGuard&) = delete;

  // The state that `function` returns, or `torn`.
  [[gnu::noinline]] static int call(int (*function)()) {
    running_ = true;
    const int result = sigsetjmp(back_, 0) == 0 ? function() : torn;
    running_ = false;
    return result;
  }

 private:
  static constexpr int signals[] = {SIGTRAP, SIGSEGV, SIGILL, SIGBUS};

  static void come_back(int signal, siginfo_t*, void*) {
    if (running_) siglongjmp(back_, 1);
    std::signal(signal, SIG_DFL);  // not ours: the default when it happens again
  }

  static inline thread_local sigjmp_buf back_;
  static inline thread_local volatile sig_atomic_t running_ = 0;
  struct sigaction old_actions_[std::size(signals)] = {};
};

struct Counts {
  std::uint64_t executions = 0;
  std::uint64_t between = 0;  // no flip was under way: only one answer was right
  std::uint64_t stale = 0;
  std::uint64_t torn = 0;

  // `found` after `completed` was seen, when `begun` was the last flip begun, of a key with `states` states.
  void add(int found, std::uint64_t completed, std::uint64_t begun, unsigned states) {
    ++executions;
    between += completed == begun;
    if (begun - completed >= states) return;  // every state was right at some moment
    for (std::uint64_t flip = completed; flip <= begun; ++flip) {
      if (found == static_cast<int>(flip % states)) return;
    }
    ++(found >= 0 && found < static_cast<int>(states) ? stale : torn);
  }
  void add(const Counts& other) {
    executions += other.executions;
    between += other.between;
    stale += other.stale;
    torn += other.torn;
  }
  [[nodiscard]] bool wrong() const { return stale + torn != 0; }
};

inline unsigned stress_seed() {
  const char* const seed = std::getenv("SHUNT_STRESS_SEED");
  return seed != nullptr ? static_cast<unsigned>(std::strtoul(seed, nullptr, 10)) : 20261123U;
}

inline double seconds_from(const char* variable) {
  const char* const seconds = std::getenv(variable);
  return seconds != nullptr ? std::strtod(seconds, nullptr) : 0.0;
}

// The least time that the whole program shall run.
inline double stress_seconds() {
  return seconds_from("SHUNT_STRESS_SECONDS");
}

// How long one of `tests` tests that share the program's time goes on: until it has done what it wants to do, but at
// least its part of SHUNT_STRESS_SECONDS. On an emulator that could take for ever; there SHUNT_STRESS_AT_MOST (seconds)
// ends it, and what was done by then is enough.
class StressTime {
 public:
  explicit StressTime(int tests = 1)
      : least_(begin_ + part(stress_seconds(), tests)),
        most_(begin_ + part(seconds_from("SHUNT_STRESS_AT_MOST"), tests)) {}

  [[nodiscard]] bool goes_on(bool wants_more) const {
    const auto now = Clock::now();
    return bounded() ? now < most_ : wants_more || now < least_;
  }
  [[nodiscard]] bool bounded() const { return most_ > begin_; }
  // What must have been done at the end, if `wanted` is what the test wants to do.
  [[nodiscard]] std::uint64_t needed(std::uint64_t wanted) const { return bounded() ? 1 : wanted; }
  [[nodiscard]] bool is_longer_than(std::chrono::seconds limit) const { return Clock::now() - begin_ > limit; }

 private:
  static Clock::duration part(double seconds, int tests) {
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds / tests));
  }
  Clock::time_point begin_ = Clock::now(), least_, most_;
};

}  // namespace shunt::test
