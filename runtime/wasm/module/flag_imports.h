// Imports of module "flags": which flag each one reads, and as what.
#pragma once

#include <vector>

#include "runtime/wasm/baseline/baseline.h"
#include "runtime/wasm/module/module_data.h"
#include "shunt/error.h"

namespace shunt::wasm {

// One entry per imported function; those that are no flag imports have no flag. Errors: BadModule (an import that is
// not a function, or has a type that no flag can be read as), and those of FlagSet::want().
Result<std::vector<FlagImport>> resolve_flag_imports(const ModuleData& module, flags::FlagSet& flags);

}  // namespace shunt::wasm
