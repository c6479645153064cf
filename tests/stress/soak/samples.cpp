#include "tests/stress/soak/samples.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>

namespace shunt::soak {
namespace {

struct Measure {
  std::string_view name, unit;
  std::uint64_t Sample::* value;
  // What a median may rise by: a part of what it was, and a number, whichever is more. The heap keeps what threads that
  // came and went had, and grows by whole arenas.
  double part;
  std::uint64_t number;
};
constexpr std::array kMeasures = {
    Measure{"resident memory", "KiB", &Sample::resident_kib, 0.03, 6 * 1024},
    Measure{"descriptors", "", &Sample::descriptors, 0, 2},
    Measure{"mappings", "", &Sample::mappings, 0.05, 12},
    Measure{"code memory used", "KiB", &Sample::code_kib, 0.05, 64},
    Measure{"attached threads", "", &Sample::threads_attached, 0, 2},
};

std::uint64_t median(std::vector<Sample>::const_iterator begin, std::vector<Sample>::const_iterator end,
                     std::uint64_t Sample::* value) {
  std::vector<std::uint64_t> values;
  for (auto sample = begin; sample != end; ++sample) values.push_back((*sample).*value);
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

std::uint64_t lines_of(const char* path) {
  std::ifstream file(path);
  std::uint64_t lines = 0;
  for (std::string line; std::getline(file, line);) ++lines;
  return lines;
}

}  // namespace

void Samples::take(const Engine& engine) {
  namespace fs = std::filesystem;
  Sample sample;
  std::uint64_t pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  sample.resident_kib = resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)) / 1024;
  sample.descriptors =
      static_cast<std::uint64_t>(std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator()) - 1);
  sample.mappings = lines_of("/proc/self/maps");
  sample.code_kib = engine.stats().code_bytes_used / 1024;
  sample.threads_attached = engine.threads().size();
  all_.push_back(sample);
}

std::string Samples::growth() const {
  if (all_.size() < 8) return {};
  const auto quarter = static_cast<std::ptrdiff_t>(all_.size() / 4);
  std::string text;
  for (const Measure& measure : kMeasures) {
    const std::uint64_t early = median(all_.begin() + quarter, all_.begin() + 2 * quarter, measure.value);
    const std::uint64_t late = median(all_.end() - quarter, all_.end(), measure.value);
    const auto allowed =
        std::max(measure.number, static_cast<std::uint64_t>(measure.part * static_cast<double>(early)));
    if (late > early + allowed) {
      text += std::string(text.empty() ? "" : "; ") + std::string(measure.name) + " grew from " +
              std::to_string(early) + " to " + std::to_string(late) + " " + std::string(measure.unit);
    }
  }
  return text;
}

std::string Samples::table() const {
  if (all_.size() < 4) return "  too few samples\n";
  const auto quarter = static_cast<std::ptrdiff_t>(all_.size() / 4);
  std::string text = "  median of each quarter of the time    1st       2nd       3rd       4th\n";
  for (const Measure& measure : kMeasures) {
    std::array<char, 160> line{};
    std::array<unsigned long long, 4> medians{};
    for (std::ptrdiff_t i = 0; i < 4; ++i)
      medians[static_cast<std::size_t>(i)] =
          median(all_.begin() + i * quarter, all_.begin() + (i + 1) * quarter, measure.value);
    std::snprintf(line.data(), line.size(), "  %-18.*s %-12.*s %9llu %9llu %9llu %9llu\n",
                  static_cast<int>(measure.name.size()), measure.name.data(), static_cast<int>(measure.unit.size()),
                  measure.unit.data(), medians[0], medians[1], medians[2], medians[3]);
    text += line.data();
  }
  return text;
}

}  // namespace shunt::soak
