// Trying system calls that a seccomp filter may answer by killing the process: in a child process first.
#pragma once

#include <string>

namespace shunt::detail {

// Whether a seccomp filter is in force, or may be: where /proc/self/status cannot be read, nobody knows. Thread-safe.
[[nodiscard]] bool may_be_filtered();

// Makes the calls in a child, if a filter may be in force. Empty if they do not kill (what they return shows when they
// are made here), else why they must not be made. `calls` runs in a copy of this thread alone, so it may do only what a
// signal handler may. Thread-safe; blocks.
[[nodiscard]] std::string why_not(void (*calls)());

}  // namespace shunt::detail
