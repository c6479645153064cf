// Names for published code, and who is told them: perf, by a map or by jitdump, and gdb.
//
//   engine.observe({.gdb = true});                                   // before the code is made
//   auto code = engine.publish(...);
//   engine.name(*code, std::array{CodeSymbol{0, 64, "parse_line"}});  // from here on gdb and perf know it
//
// Nobody is told anything by default, and an engine that nobody observes keeps no names.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace shunt {

// A function in a piece of code: `size` bytes from `offset`.
struct CodeSymbol {
  std::uint32_t offset = 0;
  std::uint32_t size = 0;
  std::string_view name;  // copied; shown as it is (line ends become spaces)
};

struct ObserveOptions {
  // Append to <perf_map_directory>/perf-PID.map, which `perf report` reads for code in anonymous memory: the engine
  // must have been made with CodeBacking::Anonymous. The format has addresses and names alone: it cannot say that code
  // has ended, nor show instructions.
  bool perf_map = false;

  // Write <jitdump_directory>/jit-PID.dump for `perf record -k mono` and `perf inject --jit`: names and instructions.
  bool jitdump = false;

  // Register symbols with gdb's JIT interface; taken back when the code ends.
  bool gdb = false;

  // jitdump: after a commit, write every function that has a rewritten site again, so that each sample is shown with
  // the instructions that it ran. Costs a copy of these functions a commit, with the commit lock held.
  bool jitdump_follows_flips = true;

  std::string perf_map_directory = "/tmp";  // where perf looks
  std::string jitdump_directory = ".";
};

}  // namespace shunt
