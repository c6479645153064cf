// WebAssembly functions as LLVM IR.
//
// A function becomes two: its body, `ret body(VmContext* swiftself, params...)`, several results as a struct; and its
// slots entry, `void slots(VmContext*, uint64_t*)`, through which other tiers call it (optimising.h). What a body
// relies on beside its arguments, by address: the thunks of the module's baseline code.
//
// Traps are exact: guest memory is accessed by volatile loads and stores, which fault; the others are undefined
// instructions with the TrapCode behind them (trap_instruction.h). Each instruction's debug location has the byte of
// the module as its line.
#pragma once

#include <llvm/IR/Module.h>

#include <cstdint>
#include <span>
#include <string>

#include "runtime/wasm/module/function_body.h"
#include "runtime/wasm/optimising/optimising.h"

namespace shunt::wasm {

// The names of a function's two functions in the IR.
std::string body_name(std::uint32_t function);
std::string slots_name(std::uint32_t function);

// Adds the bodies' functions to `ir`, whose data layout is set. `bodies` are valid, and of `module`.
void lower_functions(const OptimisingOptions& options, const ModuleData& module, std::span<const FunctionBody> bodies,
                     llvm::Module& ir);

}  // namespace shunt::wasm
