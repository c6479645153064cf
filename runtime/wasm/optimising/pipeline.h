// From IR to an object: LLVM's passes, ours among them, and its code generator, for the processor that runs this.
#pragma once

#include <llvm/ADT/SmallVector.h>
#include <llvm/IR/Module.h>
#include <llvm/Target/TargetMachine.h>

#include <memory>

#include "runtime/wasm/optimising/optimising.h"
#include "shunt/error.h"

namespace shunt::wasm {

// Small code model, position-independent. Thread-safe. Errors: Unsupported.
Result<std::unique_ptr<llvm::TargetMachine>> make_target_machine();

void optimise(llvm::Module& ir, llvm::TargetMachine& machine, const ModuleData& module,
              const OptimisingOptions& options);

// Errors: Unsupported.
Result<llvm::SmallVector<char, 0>> generate_object(llvm::Module& ir, llvm::TargetMachine& machine);

}  // namespace shunt::wasm
