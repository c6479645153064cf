// The optimising compiler, and the code that it made last.
#pragma once

#include <memory>
#include <span>

#include "runtime/wasm/module/module_loader.h"

namespace shunt::test {

inline const wasm::OptimisedCode* last_compiled = nullptr;  // lives as long as its module

inline Result<std::unique_ptr<wasm::OptimisedCode>> compile_and_look(const wasm::OptimisingOptions& options,
                                                                     const wasm::ModuleData& module,
                                                                     std::span<const wasm::FunctionBody> bodies) {
  auto code = wasm::compile_optimised(options, module, bodies);
  if (code) last_compiled = code->get();
  return code;
}

}  // namespace shunt::test
