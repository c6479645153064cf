#include <ucontext.h>

#include "runtime/wasm/instance/fault_context.h"

namespace shunt::wasm {

std::uintptr_t program_counter(const void* context) {
  return static_cast<std::uintptr_t>(static_cast<const ucontext_t*>(context)->uc_mcontext.pc);
}

const void* guest_context(const void* context) {
  return reinterpret_cast<const void*>(static_cast<const ucontext_t*>(context)->uc_mcontext.regs[28]);
}

void resume_at(void* context, std::uintptr_t pc, const void* guest_context) {
  mcontext_t& registers = static_cast<ucontext_t*>(context)->uc_mcontext;
  registers.pc = pc;
  registers.regs[28] = reinterpret_cast<std::uintptr_t>(guest_context);
}

std::uintptr_t thread_pointer() {
  std::uintptr_t pointer;
  asm("mrs %0, tpidr_el0" : "=r"(pointer));
  return pointer;
}

}  // namespace shunt::wasm
