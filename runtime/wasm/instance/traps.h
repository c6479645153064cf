// Traps that the processor raises: a guest's access beyond its memory, its stack's overflow, an undefined instruction
// or a division that compiled code leaves to the hardware.
//
// Handlers for SIGSEGV, SIGBUS, SIGILL and SIGFPE are installed once per process, when the first store is made. They
// claim a fault only if the thread is inside a call into guest code, the faulting instruction is that store's compiled
// code, and
//
//   SIGSEGV, SIGBUS   in baseline code: the address lies in the guard of the store's guest stack; or the instruction is
//   a trap site of
//                     a memory access, and the address lies in the reservation of one of the store's memories; or it
//                     is one of an indirect call, and the address is inside a FuncRef at address zero
//                     in optimised code: the address lies in the guard, or in such a reservation
//   SIGILL, SIGFPE    in baseline code: the instruction is a trap site
//                     in optimised code: it is one that says why (optimising/trap_instruction.h)
//
// Then the thread goes on at the code's trap exit, which leaves the guest. Every other fault goes to the handler that
// was installed before, or has the default effect. A handler that is installed later must pass on what it does not
// know.
#pragma once

#include "runtime/wasm/instance/store_state.h"
#include "shunt/error.h"

namespace shunt::wasm {

// Installs the handlers, if they are not yet. Thread-safe. Errors: SystemCall.
Status install_trap_handlers();

// Gives the calling thread an alternate signal stack, if it has none that suffices; until the thread ends. Errors:
// OutOfMemory, SystemCall.
Status prepare_thread_for_traps();

// Bytes that are left of the calling thread's own stack; SIZE_MAX if it runs on another one, whose size nobody knows (a
// coroutine's).
std::size_t host_stack_left();

// While one is alive, faults in the store's guest code on this thread are traps. Nests.
class TrapScope {
 public:
  explicit TrapScope(StoreState& store) noexcept;
  ~TrapScope();
  TrapScope(const TrapScope&) = delete;
  TrapScope& operator=(const TrapScope&) = delete;

  // Of the calling thread; null outside of any.
  static const TrapScope* of_this_thread() noexcept;
  // Where each thread has the address of the ExecutionState of its innermost scope: bytes from thread_pointer()
  // (fault_context.h), the same on every thread.
  static std::ptrdiff_t execution_offset() noexcept;

  StoreState& store;
  const TrapScope* const outer;
};

// As the specification's tests word it: "integer divide by zero".
std::string_view describe(TrapCode trap);

// Of the call that the store is about to leave: the instruction that trapped, or the call of the host that failed.
TrapPlace trap_place(const StoreState& store);

// "<module>: <what> in function <name> at byte 0x1234", as far as the place is known.
Error trap_error(const StoreState& store, TrapCode trap, std::string_view module_name);

}  // namespace shunt::wasm
