#include <ucontext.h>

#include <cstring>

#include "engine/trap/trap_context.h"

namespace shunt::detail {

// The kernel says SI_KERNEL for INT3; emulators and other systems say TRAP_BRKPT.
bool is_breakpoint_trap(const siginfo_t& info) noexcept {
  return info.si_code == SI_KERNEL || info.si_code == TRAP_BRKPT;
}

// RIP is that of the instruction behind the one-byte INT3 (Intel SDM vol. 3A, "Interrupt 3", 6.15 or 7.15).
std::uint64_t breakpoint_address(const void* context) noexcept {
  return static_cast<std::uint64_t>(static_cast<const ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP]) - 1;
}

void resume_at(void* context, std::uint64_t address, std::uint64_t return_address) noexcept {
  greg_t* const registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  if (return_address != 0) {
    // The signal's frame lies below the red zone, or on another stack: these 8 bytes are free, as for the call itself.
    registers[REG_RSP] -= static_cast<greg_t>(sizeof return_address);
    std::memcpy(reinterpret_cast<void*>(registers[REG_RSP]), &return_address, sizeof return_address);
  }
  registers[REG_RIP] = static_cast<greg_t>(address);
}

const sigset_t& blocked_signals(const void* context) noexcept {
  return static_cast<const ucontext_t*>(context)->uc_sigmask;
}

}  // namespace shunt::detail
