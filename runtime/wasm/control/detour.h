// What compiled code's detours call (DetourFunction), and what host functions ask when they return.
#pragma once

#include <cstdint>

#include "runtime/wasm/instance/vm_context.h"

namespace shunt::wasm {

struct StoreState;

// A site's detour was taken, on the thread's innermost store, whose guest stands still.
std::uint32_t serve_detour(const void* site);

// Serves what is wanted of the guest that is about to go on. False: it is to stop, and execution.trap says why.
bool may_go_on(StoreState& store);

}  // namespace shunt::wasm
