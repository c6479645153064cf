// What the process takes, looked at once a second, and whether it is flat: the last quarter of the samples takes hardly
// more than the second one. The first quarter is for warming up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "shunt/engine.h"

namespace shunt::soak {

struct Sample {
  std::uint64_t resident_kib = 0, descriptors = 0, mappings = 0, code_kib = 0, threads_attached = 0;
};

class Samples {
 public:
  void take(const Engine& engine);

  // What is not flat, and by how much; empty if all is. Needs 8 samples.
  [[nodiscard]] std::string growth() const;

  // A table of the first, the median and the last of each.
  [[nodiscard]] std::string table() const;

 private:
  std::vector<Sample> all_;
};

}  // namespace shunt::soak
