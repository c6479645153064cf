// The command line as values: what to do, with which files.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "shunt/runtime/instance.h"
#include "shunt/runtime/module.h"
#include "shunt/runtime/wasi.h"

namespace shunt::cli {

struct RunOptions {
  std::string module;
  std::optional<std::string> invoke;   // export to call instead of _start
  std::vector<std::string> arguments;  // of that export
  std::string flags;                   // file; empty: no flags are defined
  std::string context;                 // that rules are evaluated for: JSON; empty: an empty one
  std::string control;                 // socket for `shunt flags`; empty: none
  bool watch = false;
  std::uint32_t flip_limit = 0;  // a flag that changes more often within a second is demoted; 0: none
  unsigned threads = 1;
  runtime::Tier tier = runtime::Tier::Baseline;
  std::vector<std::string> breakpoints;  // places: docs/breakpoints.md
  std::vector<runtime::WasiDirectory> directories;
  std::vector<std::string> environment;  // "NAME=value"
  std::vector<std::string> guest_arguments;
  std::chrono::nanoseconds timeout{0};  // 0: none
  runtime::StoreOptions store;
  bool stats = false;
  bool json = false;
  // Seeing: docs/seeing.md.
  bool gdb = false;
  bool perf_map = false;
  bool jitdump = false;
  std::string jitdump_directory = ".";
  bool flip_log = false;
  // Traces: docs/tracing.md.
  std::vector<std::string> trace;  // patterns
  std::string trace_from;          // a file of patterns; empty: none
  std::string trace_out = "trace.json";
};

struct CompileOptions {
  std::string module;
  unsigned runs = 1;
  runtime::Tier tier = runtime::Tier::Baseline;
  bool json = false;
};

struct SitesOptions {
  std::string module;
  std::string flags;
  runtime::Tier tier = runtime::Tier::Baseline;
  bool json = false;
};

struct InspectOptions {
  std::string module;
  bool json = false;
};

struct FlagsOptions {
  enum class Action : std::uint8_t { Eval, List, Get, Set, Watch } action = Action::Eval;
  std::string flags;    // Eval: the file
  std::string context;  // Eval: JSON; empty: an empty one
  std::string type;     // Eval: that is asked for; empty: any
  std::string socket;   // the others: of the process
  std::string key;      // Eval, Get, Set
  std::string value;    // Set: JSON, or text
  bool json = false;
};

using Command = std::variant<RunOptions, CompileOptions, SitesOptions, InspectOptions, FlagsOptions>;

// The program ends without doing anything else: help or the version was printed, or the command line is wrong.
struct Ended {
  int status = 0;
};

// Prints help to standard output, and what is wrong to standard error.
std::variant<Command, Ended> parse_command_line(int argc, const char* const* argv);

}  // namespace shunt::cli
