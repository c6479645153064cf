// The lookup without openat2: see beneath.h, whose contract it keeps.
#pragma once

#include <fcntl.h>

#include <string_view>

#include "runtime/wasm/wasi/abi.h"
#include "runtime/wasm/wasi/host_fd.h"

namespace shunt::wasi {

// Precondition: `path` is relative, not empty, and holds no zero byte.
Errno walk_beneath(int directory, std::string_view path, int flags, mode_t mode, HostFd& out);

}  // namespace shunt::wasi
