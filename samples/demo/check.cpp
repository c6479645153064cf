#include "check.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace demo {
namespace {

struct Range {
  std::uint64_t least = std::numeric_limits<std::uint64_t>::max(), most = 0;
};

// How many slow requests a pass may report. Exactly one number if the threshold did not change while it ran; otherwise
// between those of the thresholds that it may have met.
Range expected_slow(const Pass& pass, const LogFacts& facts, const std::vector<Threshold>& thresholds) {
  Range range;
  for (std::size_t i = 0; i < thresholds.size(); ++i) {
    const bool over_before = i + 1 < thresholds.size() && thresholds[i + 1].surely_from <= pass.begin;
    if (over_before || thresholds[i].from >= pass.end) continue;
    const std::uint64_t slow = facts.slow(thresholds[i].slow_ms);
    range.least = std::min(range.least, slow);
    range.most = std::max(range.most, slow);
  }
  return range;
}

}  // namespace

std::vector<std::string> find_errors(const std::vector<Pass>& passes, const LogFacts& facts,
                                     const std::vector<Threshold>& thresholds) {
  std::vector<std::string> errors;
  for (const Pass& pass : passes) {
    if (!pass.error.empty()) {
      errors.push_back(pass.error);
      continue;
    }
    for (const auto& [name, value] : facts.figures) {
      const auto reported = pass.report.find(name);
      if (reported == pass.report.end()) {
        errors.push_back(fmt::format("a pass reports no {}", name));
      } else if (reported->second != value) {
        errors.push_back(fmt::format("a pass reports {} {} instead of {}", name, reported->second, value));
      }
    }
    const Range slow = expected_slow(pass, facts, thresholds);
    const auto reported = pass.report.find("slow");
    if (reported == pass.report.end() || reported->second < slow.least || reported->second > slow.most) {
      errors.push_back(fmt::format("a pass reports {} slow requests instead of {} to {}",
                                   reported == pass.report.end() ? "no" : std::to_string(reported->second), slow.least,
                                   slow.most));
    }
  }
  return errors;
}

}  // namespace demo
