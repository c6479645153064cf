// The undefined instruction by which optimised code says why the guest stopped. One file for each instruction set,
// chosen by CMake; without LLVM.
#pragma once

#include <cstdint>

#include "runtime/wasm/instance/vm_context.h"

namespace shunt::wasm {

// As inline assembly, with the TrapCode as its one constant operand, "i".
extern const char* const trap_instruction;

// The TrapCode of the instruction at `pc`, or None if it is not one. Async-signal-safe. The instruction is mapped.
TrapCode trap_at(const std::uint8_t* pc);

}  // namespace shunt::wasm
