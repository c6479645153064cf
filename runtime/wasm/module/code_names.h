// Tells who observes the engine what a module's machine code is called.
#pragma once

#include "runtime/wasm/module/module_state.h"
#include "shunt/engine.h"
#include "shunt/error.h"

namespace shunt::wasm {

// Each function by its name in the module (the name section's, an export's, or "function 12"), the code between them by
// what it is. Nothing to do is success. Errors: those of Engine::name(); OutOfMemory.
Status name_code(Engine& engine, const ModuleState& module);

}  // namespace shunt::wasm
