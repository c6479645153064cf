// LLVM's passes, ours among them, for the processor that runs this.
#pragma once

#include <llvm/IR/Module.h>
#include <llvm/IR/ValueHandle.h>
#include <llvm/Target/TargetMachine.h>

#include <memory>
#include <vector>

#include "runtime/wasm/optimising/optimising.h"
#include "shunt/error.h"

namespace shunt::wasm {

// Small code model, position-independent. Thread-safe. Errors: Unsupported.
Result<std::unique_ptr<llvm::TargetMachine>> make_target_machine();

// The blocks of strips: those that are not to have detours.
std::vector<llvm::WeakVH> optimise(llvm::Module& ir, llvm::TargetMachine& machine, const ModuleData& module,
                                   const OptimisingOptions& options);

}  // namespace shunt::wasm
