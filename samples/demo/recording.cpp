#include "recording.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace demo {
namespace {

template <class Projection>
std::uint64_t median(const std::vector<Flip>& flips, Projection of) {
  std::vector<std::uint64_t> values;
  std::transform(flips.begin(), flips.end(), std::back_inserter(values), of);
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

std::string describe_change(const FlagValues& before, const FlagValues& after) {
  std::string text;
  const auto add = [&text](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (before.fast_scan != after.fast_scan) add(fmt::format("fast-scan {}", after.fast_scan ? "on" : "off"));
  if (before.trace != after.trace) add(fmt::format("trace {}", after.trace ? "on" : "off"));
  if (before.slow_ms != after.slow_ms) add(fmt::format("slow-ms {}", after.slow_ms));
  return text;
}

FlipMedians median_latencies(const Recording& recording) {
  return {median(recording.flips, [](const Flip& flip) { return flip.total_ns; }),
          median(recording.flips, [](const Flip& flip) { return flip.commit_ns; })};
}

double mean_throughput(const Recording& recording, bool fast_scan, bool trace) {
  double sum = 0;
  std::size_t count = 0;
  for (const Sample& sample : recording.samples) {
    const double begin = sample.seconds - sample_interval;
    FlagValues values = recording.initial;
    bool flipped_inside = false;
    for (const Flip& flip : recording.flips) {
      if (flip.seconds + static_cast<double>(flip.total_ns) * 1e-9 < begin) {
        values = flip.after;
      } else if (flip.seconds < sample.seconds) {
        flipped_inside = true;
      }
    }
    if (flipped_inside || values.fast_scan != fast_scan || values.trace != trace) continue;
    sum += sample.megabytes_per_second;
    ++count;
  }
  return count == 0 ? 0 : sum / static_cast<double>(count);
}

}  // namespace demo
