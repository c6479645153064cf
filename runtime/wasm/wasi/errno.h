// Host error numbers as a guest sees them.
#pragma once

#include "runtime/wasm/wasi/abi.h"

namespace shunt::wasi {

// The guest's number for a host's errno value; Io for one that WASI has no name for. Thread-safe.
[[nodiscard]] Errno errno_from_host(int host_errno) noexcept;

// The same for the calling thread's errno.
[[nodiscard]] Errno last_errno() noexcept;

// Success if `result` is not negative, else last_errno(): for system calls that return -1.
[[nodiscard]] Errno status_of(long result) noexcept;

}  // namespace shunt::wasi
