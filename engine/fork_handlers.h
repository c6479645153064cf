// What fork() calls, registered once in a process (fork.h says what it does).
#pragma once

#include "shunt/error.h"

namespace shunt::detail {

// Before the first hold_at_fork(): without handlers, a child's flips would be its parent's. Nothing to do if they are
// registered. Errors: SystemCall; the next call tries again. Thread-safe.
Status register_fork_handlers();

}  // namespace shunt::detail
