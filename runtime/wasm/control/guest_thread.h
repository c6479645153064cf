// Threads that run guests, as the engine sees them (shunt/thread.h): attached when they first call a guest, their guest
// frames walked by looking at every word of the guest's stack. So compiled code of any tier needs no frame pointers: a
// word that only looks like an address in code delays a wait for threads, and a return address is never missed.
#pragma once

#include "shunt/engine.h"
#include "shunt/thread.h"

namespace shunt::wasm {

// The calling thread's attachment to the engine; valid until either ends. Errors: OutOfMemory, InvalidArgument (the
// thread is about to end).
Result<Thread*> guest_thread(Engine& engine);

// Visits the words between the frame's stack pointer and the entry mark, the top of the guest's stack, that are
// addresses in the engine's code memory.
FrameWalker stack_scanner(const Engine& engine);

}  // namespace shunt::wasm
