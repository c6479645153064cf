// Whoever looks at an engine: counters, the flip log, and the tools that are told the names of code.
#pragma once

#include <mutex>

#include "engine/observe/commit_watch.h"
#include "engine/observe/counters.h"
#include "engine/observe/flip_rates.h"
#include "engine/observe/flip_ring.h"
#include "engine/observe/observers.h"

namespace shunt::detail {

struct Seeing {
  Seeing(CommitWatch::Write unwatched, CommitWatch::Write watched) noexcept : watch(unwatched, watched) {}

  Counters counters;    // atomics
  Observers observers;  // has a lock of its own, which comes after the commit lock
  CommitWatch watch;    // has a lock of its own, which comes before the commit lock

  FlipRates rates;         // protected by the commit lock
  FlipRing ring;           // protected by the commit lock
  bool logging = false;    // the log is one of the watchers; protected by `start_stop`
  bool following = false;  // observers that follow flips are one; protected by `start_stop`
  std::mutex start_stop;   // held while the watch is acquired or released, so taken before its lock

  // Held across fork(), so that the child finds them free: those before the commit lock, and those after it.
  void lock_before_commits() {
    start_stop.lock();
    watch.lock().lock();
  }
  void lock_after_commits() { observers.lock().lock(); }
  void unlock_all() {
    observers.lock().unlock();
    watch.lock().unlock();
    start_stop.unlock();
  }
};

}  // namespace shunt::detail
