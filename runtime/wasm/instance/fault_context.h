// The registers of a thread that a signal stopped, as far as traps need them. One file per instruction set and
// operating system.
#pragma once

#include <cstdint>

namespace shunt::wasm {

// `context`: the third argument of a signal handler. Async-signal-safe.
[[nodiscard]] std::uintptr_t program_counter(const void* context);
// Where the thread goes on when the handler returns, and what is in guest code's context register then
// (baseline/*_selection.h).
void resume_at(void* context, std::uintptr_t pc, const void* guest_context);

}  // namespace shunt::wasm
