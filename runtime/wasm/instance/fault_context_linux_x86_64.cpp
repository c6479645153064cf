#include <ucontext.h>

#include "runtime/wasm/instance/fault_context.h"

namespace shunt::wasm {

std::uintptr_t program_counter(const void* context) {
  return static_cast<std::uintptr_t>(static_cast<const ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP]);
}

const void* guest_context(const void* context) {
  return reinterpret_cast<const void*>(static_cast<const ucontext_t*>(context)->uc_mcontext.gregs[REG_R14]);
}

void resume_at(void* context, std::uintptr_t pc, const void* guest_context) {
  gregset_t& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  registers[REG_RIP] = static_cast<greg_t>(pc);
  registers[REG_R14] = static_cast<greg_t>(reinterpret_cast<std::uintptr_t>(guest_context));
}

std::uintptr_t thread_pointer() {
  std::uintptr_t pointer;
  asm("mov %%fs:0, %0" : "=r"(pointer));  // ELF's TLS variant II: its first word is its own address
  return pointer;
}

}  // namespace shunt::wasm
