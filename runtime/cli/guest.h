// One instance of a guest, from linking to its end; and several on threads.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "runtime/cli/options.h"
#include "runtime/cli/report.h"
#include "shunt/error.h"
#include "shunt/runtime/module.h"

namespace shunt::cli {

// What to call, checked against the module.
struct GuestCall {
  bool initialize = false;  // call `_initialize` first
  std::string name;
  std::vector<runtime::Value> arguments;
};

// Errors: InvalidArgument: no such export (the message names near ones), another number of arguments or an argument of
// another type (the message names the signature).
Result<GuestCall> plan_call(const runtime::Module& module, const RunOptions& options);

// Runs one instance to its end, on the calling thread, in a store of its own.
[[nodiscard]] GuestOutcome run_guest(const runtime::Module& module, const GuestCall& call, const RunOptions& options);

// Runs `work` on so many threads (one: on the caller's), and waits until all have ended, or one has ended with a status
// other than 0.
struct CrewOutcome {
  std::vector<std::optional<GuestOutcome>> threads;  // in their order; empty: still running
  std::optional<std::size_t> failed;                 // the first, in time, that ended with another status than 0
  bool running = false;                              // some still run: the program must end without ending its objects
};
CrewOutcome run_crew(unsigned threads, const std::function<GuestOutcome()>& work);

}  // namespace shunt::cli
