// Counters of an engine: Engine::stats() and Engine::key_stats().
//
// Counting costs a commit a few additions to memory that nobody else writes at that moment, and a commit that finds
// nothing to do one addition to a counter that is spread over cache lines by thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shunt/error.h"

namespace shunt {

// A snapshot. Counts begin with the engine; times are nanoseconds, summed up.
struct EngineStats {
  std::uint64_t commits = 0;        // that succeeded and took the lock
  std::uint64_t no_op_commits = 0;  // that found nothing to do, without a lock
  std::uint64_t sites_written = 0;
  std::uint64_t publications = 0;
  std::uint64_t check_ns = 0, write_ns = 0, maintenance_ns = 0, serialise_ns = 0;  // of commits, by phase

  // Core serialisations that succeeded, of commits and publications, by mechanism ("membarrier").
  struct Serialisations {
    std::string_view mechanism;
    std::uint64_t count = 0;
  };
  std::vector<Serialisations> serialisations;

  // Commits and publications that failed, by error; only errors that occurred.
  struct Failures {
    ErrorCode code;
    std::uint64_t count = 0;
  };
  std::vector<Failures> failures;

  std::uint64_t code_bytes_used = 0, code_bytes_free = 0;  // of the reservation
  std::uint64_t keys = 0, sites = 0;                       // now

  // Keys that are flipped too often (EngineOptions::flip_limit, shunt/demotable_key.h).
  std::uint64_t times_thrashing = 0;  // how often a key began to be
  std::uint64_t demotions = 0, promotions = 0;
  std::uint64_t data_flips = 0;  // flips of demoted keys
};

struct KeyStats {
  std::string name;
  unsigned state = 0;       // that the last batch wrote
  std::uint64_t sites = 0;  // now
  std::uint64_t flips = 0;  // commits that changed its state
  bool thrashing =
      false;  // flipped more often than EngineOptions::flip_limit in the last second that it was flipped in
  bool demoted = false;
};

}  // namespace shunt
