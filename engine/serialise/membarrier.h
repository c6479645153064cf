// Core serialisation by membarrier(2), MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE: one system call, which interrupts
// only the cores that run a thread of this process at the moment. The others serialise when the kernel next returns to
// a thread of it.
#pragma once

#include <memory>

#include "engine/serialise/core_serialiser.h"
#include "shunt/error.h"

namespace shunt::detail {

// Registers the process with the kernel. If a seccomp filter is in force, the call is first tried in a child process,
// because a filter may kill. Errors: SerialisationUnavailable (names the cause). Thread-safe; blocks.
Result<std::unique_ptr<CoreSerialiser>> make_membarrier_serialiser();

}  // namespace shunt::detail
