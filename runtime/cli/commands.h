// The commands. Each prints its report to standard output, and returns the exit status.
#pragma once

#include "runtime/cli/options.h"

namespace shunt::cli {

int run(const RunOptions& options);
int compile(const CompileOptions& options);
int sites(const SitesOptions& options);
int inspect(const InspectOptions& options);
int flags_command(const FlagsOptions& options);

}  // namespace shunt::cli
