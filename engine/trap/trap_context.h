// What a signal handler sees and changes of the thread that trapped. One file per instruction set and operating system.
// All of it async-signal-safe.
#pragma once

#include <signal.h>

#include <cstdint>

namespace shunt::detail {

// Whether the signal comes from a breakpoint instruction that the thread executed; not from kill(2), a single step, a
// watchpoint.
[[nodiscard]] bool is_breakpoint_trap(const siginfo_t& info) noexcept;

// Of the breakpoint that was executed. `context`: a signal handler's third argument.
[[nodiscard]] std::uint64_t breakpoint_address(const void* context) noexcept;

// Where the thread goes on when the handler returns; first, `return_address` is put where a call puts it, if it is not
// 0.
void resume_at(void* context, std::uint64_t address, std::uint64_t return_address) noexcept;

// The signals that were blocked when the thread trapped.
[[nodiscard]] const sigset_t& blocked_signals(const void* context) noexcept;

}  // namespace shunt::detail
