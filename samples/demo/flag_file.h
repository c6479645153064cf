// The demo's flag file: written anew for each flip, watched by the runtime.
#pragma once

#include <string>

#include "recording.h"

namespace demo {

// Thresholds that the flag file has a variant for, the mildest first.
inline constexpr unsigned slow_thresholds[] = {1000, 250, 50};

// Replaces the file at `path` as an editor does: writes a new one beside it and renames it over the old. Throws
// std::system_error. Precondition: values.slow_ms is one of slow_thresholds.
void write_flag_file(const std::string& path, const FlagValues& values);

}  // namespace demo
