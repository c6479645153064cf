// WebAssembly functions as LLVM IR.
//
// A function becomes two: its body, `ret body(VmContext* swiftself, params...)`, several results as a struct; and its
// slots entry, `void slots(VmContext*, uint64_t*)`, through which other tiers call it (optimising.h). A loop that is
// entered becomes two more: the rest of the function, `void rest(VmContext* swiftself, uint64_t*)`, and its LoopEntry.
// What a body relies on beside its arguments, by address: the thunks of the module's baseline code.
//
// Traps are exact: guest memory is accessed by volatile loads and stores, which fault; the others are undefined
// instructions with the TrapCode behind them (trap_instruction.h). Each instruction's debug location has the byte of
// the module as its line.
#pragma once

#include <llvm/IR/Module.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/wasm/module/function_body.h"
#include "runtime/wasm/optimising/optimising.h"

namespace shunt::wasm {

// The names of a function's two functions in the IR.
std::string body_name(std::uint32_t function);
std::string slots_name(std::uint32_t function);
// And those of a function of the module that is not compiled with them: an entry that is redirected to its body, and
// where that leads while it has none.
std::string outside_name(std::uint32_t function);
std::string through_name(std::uint32_t function);
// And of a loop's LoopEntry.
std::string loop_name(const CodePlace& loop);

// Adds the bodies' functions to `ir`, whose data layout is set. `bodies` are valid, and of `module`. Returns the loops
// of options.loops that got entries.
std::vector<CodePlace> lower_functions(const OptimisingOptions& options, const ModuleData& module,
                                       std::span<const FunctionBody> bodies, llvm::Module& ir);

// Writes the entries of functions that are called and not compiled with them; `ir` is optimised. Returns the functions.
std::vector<std::uint32_t> write_outside_entries(const OptimisingOptions& options, const ModuleData& module,
                                                 llvm::Module& ir);

}  // namespace shunt::wasm
