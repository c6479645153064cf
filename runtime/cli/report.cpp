#include "runtime/cli/report.h"

#include <fmt/format.h>

namespace shunt::cli {

std::string hex_bytes(std::span<const std::uint8_t> bytes) {
  return fmt::format("{:02x}", fmt::join(bytes, " "));
}

void FlagTotals::add(const Result<flags::LoadReport>& load) {
  const bool is_first = loads++ == 0;
  if (!load) {
    ++failed_loads;
    return;
  }
  const CommitReport& commit = load->commit;
  if (!is_first) flips += load->changed.size();
  sites_written += commit.sites_written;
  serialisations += commit.serialisations;
  parse_ns += load->parse_ns;
  check_ns += commit.check_ns;
  write_ns += commit.write_ns;
  maintenance_ns += commit.maintenance_ns;
  serialise_ns += commit.serialise_ns;
  if (commit.serialisations != 0) mechanism = commit.mechanism;
}

double megabytes_per_second(const runtime::CompileStats& stats) {
  if (stats.total_ns() == 0) return 0;
  return static_cast<double>(stats.code_section_bytes) * 1e3 / static_cast<double>(stats.total_ns());
}

}  // namespace shunt::cli
