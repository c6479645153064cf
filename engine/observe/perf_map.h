// The map that perf reads for code that comes from no file: /tmp/perf-PID.map, a line "START SIZE name" for each
// function, in hexadecimal without 0x.
//
// perf looks into it for memory that it takes to be anonymous (in /proc/PID/maps: no name, or /dev/zero, which is
// shared anonymous memory); a memory file has a name of its own, and perf asks nobody else then. Other code generators
// in the process may append to the same file, so nothing is ever taken out of it: what ended keeps its name.
#pragma once

#include <memory>
#include <string>

#include "engine/observe/code_observer.h"

namespace shunt::detail {

// Errors: SystemCall.
Result<std::unique_ptr<CodeObserver>> make_perf_map(const std::string& directory);

}  // namespace shunt::detail
