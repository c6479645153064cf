#include <ucontext.h>

#include "engine/trap/trap_context.h"

namespace shunt::detail {

// No batch plants breakpoints on arm64 (arch/arm64/breakpoint.h), so every trap is somebody else's.
bool is_breakpoint_trap(const siginfo_t&) noexcept {
  return false;
}

std::uint64_t breakpoint_address(const void* context) noexcept {
  return static_cast<const ucontext_t*>(context)->uc_mcontext.pc;
}

void resume_at(void* context, std::uint64_t address, std::uint64_t return_address) noexcept {
  mcontext_t& registers = static_cast<ucontext_t*>(context)->uc_mcontext;
  if (return_address != 0) registers.regs[30] = return_address;  // LR
  registers.pc = address;
}

const sigset_t& blocked_signals(const void* context) noexcept {
  return static_cast<const ucontext_t*>(context)->uc_sigmask;
}

}  // namespace shunt::detail
