// Calls C++ from a place in machine code whose vector registers nobody saved: for entries that detours call
// (shunt/codegen/orc.h), after they saved the general registers.
#pragma once

#include <cstdint>

#include "shunt/api.h"

namespace shunt {

// Calls `function(argument)` and returns what it returned. Unlike after a call of the platform's convention, the whole
// floating-point and vector state is as it was: x87, MXCSR, and of the vector registers what XSAVE (mask 0xE7: x87,
// SSE, AVX, AVX-512) or FXSAVE covers; FPCR, FPSR, and Q0 to Q31 or, where the processor has SVE, Z0 to Z31, P0 to P15
// and FFR. Not AMX tiles, and not ZA: the thread is not in streaming mode. The general registers and the stack are
// those of an ordinary call. Takes up to 4 KiB of stack, 9 more for the longest SVE registers. An exception may not
// pass.
using CallKeepingVectors = std::uint64_t (*)(std::uint64_t (*function)(const void*), const void* argument);

// The address of that function; the first call finds out what the processor has. Thread-safe.
[[nodiscard]] SHUNT_API CallKeepingVectors call_keeping_vectors() noexcept;

}  // namespace shunt
