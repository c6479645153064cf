// Nanoseconds between the phases of a commit.
#pragma once

#include <chrono>
#include <cstdint>
#include <utility>

namespace shunt::detail {

class PhaseClock {
 public:
  // Since the last call, or since this was made.
  std::uint64_t lap() noexcept {
    const auto now = std::chrono::steady_clock::now();
    return static_cast<std::uint64_t>(std::chrono::nanoseconds(now - std::exchange(last_, now)).count());
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

}  // namespace shunt::detail
