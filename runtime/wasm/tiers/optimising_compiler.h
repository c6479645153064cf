// The optimising compiler as the rest of the runtime sees it: there, or not.
#pragma once

#include <memory>
#include <span>

#include "runtime/wasm/optimising/optimising.h"

namespace shunt::wasm {

// compile_optimised(), or a test's own.
using OptimisingCompiler = Result<std::unique_ptr<OptimisedCode>> (*)(const OptimisingOptions& options,
                                                                      const ModuleData& module,
                                                                      std::span<const FunctionBody> bodies);

// Null where the runtime was built without LLVM. CMake chooses the file.
extern const OptimisingCompiler built_in_optimising_compiler;

}  // namespace shunt::wasm
