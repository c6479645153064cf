// What the lowering writes in an instruction set's own words: an undefined instruction that says why the guest stopped.
// One file for each instruction set, chosen by CMake.
#pragma once

#include <cstdint>

#include "runtime/wasm/instance/vm_context.h"

namespace shunt::wasm {

// Inline assembly with the TrapCode as its one constant operand, "i".
extern const char* const trap_instruction;

// The constraint of inline assembly without instructions whose result is its operand, a float in a register.
extern const char* const same_float_register;

// The TrapCode of the instruction at `pc`, or None if it is not one. Async-signal-safe. The instruction is mapped.
TrapCode trap_at(const std::uint8_t* pc);

}  // namespace shunt::wasm
