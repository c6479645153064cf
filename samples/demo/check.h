// Whether the guests told the truth: every pass must report what the log's generator wrote, whichever flags were in
// force.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "log_generator.h"
#include "workers.h"

namespace demo {

// From `from` on (when the flag file was put in place) the threshold was perhaps, from `surely_from` on surely
// `slow_ms`.
struct Threshold {
  Clock::time_point from, surely_from;
  unsigned slow_ms = 0;
};

// What is wrong, one line each: none if all is well. `thresholds` in order of time, the first before all passes.
std::vector<std::string> find_errors(const std::vector<Pass>& passes, const LogFacts& facts,
                                     const std::vector<Threshold>& thresholds);

}  // namespace demo
