#include <ucontext.h>

#include "runtime/wasm/instance/fault_context.h"

namespace shunt::wasm {

std::uintptr_t program_counter(const void* context) {
  return static_cast<std::uintptr_t>(static_cast<const ucontext_t*>(context)->uc_mcontext.pc);
}

void resume_at(void* context, std::uintptr_t pc) {
  static_cast<ucontext_t*>(context)->uc_mcontext.pc = pc;
}

}  // namespace shunt::wasm
