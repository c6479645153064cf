// Where a generator takes its decisions from: given bytes first, one a decision, then a pseudo-random sequence.
#pragma once

#include <cstdint>
#include <limits>
#include <random>
#include <span>

namespace shunt::test {

// The same seed and bytes, which must outlive it, give the same sequence.
class Choices {
 public:
  using result_type = std::uint64_t;

  explicit Choices(std::uint64_t seed, std::span<const std::uint8_t> first = {}) : first_(first), rest_(seed) {}

  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }
  result_type operator()() {
    if (first_.empty()) return rest_();
    const std::uint8_t byte = first_.front();
    first_ = first_.subspan(1);
    return byte;
  }

 private:
  std::span<const std::uint8_t> first_;
  std::mt19937_64 rest_;
};

}  // namespace shunt::test
