// What a run of the demo measured: throughput over time, and the flips made under load.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace demo {

// The three flags of the guest.
struct FlagValues {
  bool fast_scan = false;
  bool trace = false;
  unsigned slow_ms = 1000;
  bool operator==(const FlagValues&) const = default;
};

struct Flip {
  double seconds = 0;  // since the beginning, when the new file was put in place
  FlagValues before, after;
  std::uint64_t total_ns = 0;   // from then until every thread runs the new code: notice, read, parse, patch
  std::uint64_t commit_ns = 0;  // of it: checking, writing and serialising the machine code
  std::size_t sites = 0;        // instructions rewritten
};

inline constexpr double sample_interval = 0.1;  // seconds

struct Sample {
  double seconds = 0;  // end of the interval
  double megabytes_per_second = 0;
};

struct Recording {
  double duration = 0;  // seconds
  unsigned threads = 0;
  FlagValues initial;
  std::vector<Sample> samples;
  std::vector<Flip> flips;
};

// "fast-scan on, slow-ms 50": what differs.
std::string describe_change(const FlagValues& before, const FlagValues& after);

struct FlipMedians {
  std::uint64_t total_ns = 0, commit_ns = 0;
};
FlipMedians median_latencies(const Recording& recording);

// Mean of the samples that lie wholly between flips and saw these values; 0 if there is none.
double mean_throughput(const Recording& recording, bool fast_scan, bool trace);

}  // namespace demo
