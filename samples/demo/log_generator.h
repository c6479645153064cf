// A web server's access log, made up but plausible, the same for the same seed on every machine; and the figures that a
// right analysis of it must give.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace demo {

// What the generator knows about the log that it wrote, under the names that the guest's report uses ("lines", "5xx",
// "route /api/orders"). The number of slow requests depends on a threshold, so it is a function.
struct LogFacts {
  std::map<std::string, std::uint64_t> figures;
  std::vector<std::uint64_t> latencies;  // requests by milliseconds

  // Requests that took at least `millis`; none if `millis` is 0, as in the guest.
  [[nodiscard]] std::uint64_t slow(std::uint64_t millis) const;
};

// Writes whole lines to `path` until at least `bytes` bytes are in it; replaces the file. Throws std::system_error.
LogFacts generate_log(const std::string& path, std::uint64_t bytes, std::uint64_t seed);

}  // namespace demo
