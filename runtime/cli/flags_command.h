// The parts of `shunt flags`.
#pragma once

#include "runtime/cli/options.h"

namespace shunt::cli {

// `shunt flags eval`: of a file.
int evaluate_flag(const FlagsOptions& options);

// `shunt flags list`, `get`, `set` and `watch`: of a process that runs with --control.
int control_flags(const FlagsOptions& options);

}  // namespace shunt::cli
