// What LLVM is told in an instruction set's own words. One file for each instruction set, chosen by CMake.
#pragma once

namespace shunt::wasm {

// Prepares LLVM's code generator, once.
void initialise_target();

// What loops begin at, in bytes; 0: what LLVM takes for the processor.
extern const unsigned loop_alignment;

// The constraint of inline assembly without instructions whose result is its operand, a float in a register.
extern const char* const same_float_register;

}  // namespace shunt::wasm
