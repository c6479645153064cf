// What commands find out, as values; text_output.h and json_output.h show them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "shunt/error.h"
#include "shunt/flip_log.h"
#include "shunt/runtime/flags.h"
#include "shunt/runtime/module.h"
#include "shunt/runtime/value.h"
#include "shunt/stats.h"

namespace shunt::cli {

// How one instance ended.
struct GuestOutcome {
  int status = 0;                       // exit status
  std::optional<Error> error;           // empty if it ended itself, whatever the status
  std::vector<runtime::Value> results;  // of the export that --invoke named
  std::uint64_t instantiate_ns = 0, run_ns = 0;
};

// All loads of the flag file together.
struct FlagTotals {
  std::uint64_t loads = 0, failed_loads = 0;  // the first, before the guest was there, included
  std::uint64_t flips = 0;                    // flags that a later load changed
  std::uint64_t sites_written = 0, serialisations = 0;
  std::uint64_t parse_ns = 0, check_ns = 0, write_ns = 0, maintenance_ns = 0, serialise_ns = 0;
  std::string mechanism = "none";  // of the last serialisation

  void add(const Result<flags::LoadReport>& load);
};

// A site that a flip wrote, as the flip log has it.
struct FlipReport {
  FlipRecord record;
  std::string function;      // that holds the site; empty if none does
  std::uint64_t offset = 0;  // of the site, from the module's first byte of machine code
};

struct RunReport {
  std::string module;
  int status = 0;
  std::vector<std::optional<GuestOutcome>> threads;  // empty: still running when the program ended
  bool with_stats = false;                           // whether the rest is to be shown
  runtime::CompileStats compile;
  runtime::TierStats tiers;  // at the end
  FlagTotals flags;
  EngineStats engine;                       // at the end
  std::vector<std::string> demoted;         // flags that are demoted at the end
  std::uint64_t read_ns = 0, flags_ns = 0;  // to read the module, to load the flags at first
  bool with_flips = false;                  // whether the flip log is to be shown
  std::vector<FlipReport> flips;
  std::uint64_t flips_dropped = 0;  // earlier ones
};

struct CompileReport {
  std::string module;
  unsigned runs = 1;
  runtime::CompileStats fastest;
};

struct SiteReport {
  runtime::ModuleSite site;
  std::vector<std::string> instructions;  // by state: off, on, and any other value if the key has that state
  std::string now;                        // the instruction that stands there
  std::string reads;                      // "i32", "i64", "f64"; empty if no flag is read
};
struct SitesReport {
  std::string module;
  std::size_t machine_code_bytes = 0;
  std::vector<SiteReport> sites;
};

// A flag that a module imports.
struct FlagWanted {
  std::string key;
  std::optional<std::string> variant;
  std::string reads;  // "i32", "i64", "f64", "string"
};
struct InspectReport {
  std::string module;
  std::vector<runtime::ImportType> imports;  // without the flags
  std::vector<runtime::ExportType> exports;
  std::vector<FlagWanted> flags;
};

// "0f 1f 44 00 00".
[[nodiscard]] std::string hex_bytes(std::span<const std::uint8_t> bytes);

// The code section's compile rate in MB (10^6 bytes) a second; 0 if it took no time.
[[nodiscard]] double megabytes_per_second(const runtime::CompileStats& stats);

}  // namespace shunt::cli
