// Registers of a thread, as far as traps and detours need them. One file per instruction set and operating system.
#pragma once

#include <cstdint>

namespace shunt::wasm {

// `context`: the third argument of a signal handler. Async-signal-safe.
[[nodiscard]] std::uintptr_t program_counter(const void* context);
// What is in guest code's context register (baseline/*_selection.h). Async-signal-safe.
[[nodiscard]] const void* guest_context(const void* context);
// Where the thread goes on when the handler returns, and what is in the context register then.
void resume_at(void* context, std::uintptr_t pc, const void* guest_context);

// What thread-local variables of the initial-exec model have a constant offset from; of the calling thread.
[[nodiscard]] std::uintptr_t thread_pointer();

}  // namespace shunt::wasm
