// Threads of the library's own, which take none of the process's signals: those are for the host's threads.
#pragma once

#include <functional>
#include <string_view>
#include <thread>

#include "shunt/error.h"

namespace shunt::flags {

// Starts a thread that runs `run` with all signals blocked; the caller's mask is as before afterwards, whatever
// happens. `what` names the thread in the error. Errors: SystemCall, OutOfMemory; then `run` was not called.
// Thread-safe.
Result<std::thread> quiet_thread(std::string_view what, std::function<void()> run);

}  // namespace shunt::flags
