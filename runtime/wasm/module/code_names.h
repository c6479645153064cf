// Tells who observes the engine what a module's machine code is called.
#pragma once

#include "runtime/wasm/module/module_state.h"
#include "runtime/wasm/optimising/optimising.h"
#include "shunt/engine.h"
#include "shunt/error.h"

namespace shunt::wasm {

// Each function by its name in the module (the name section's, an export's, or "function 12"), the code between them by
// what it is. Nothing to do is success. Errors: those of Engine::name(); OutOfMemory.
Status name_code(Engine& engine, const ModuleState& module);

// The same for functions that were compiled again: "name (optimised)", and the ways into them that are not calls of it.
Status name_code(Engine& engine, const ModuleData& module, const OptimisedCode& code);

}  // namespace shunt::wasm
