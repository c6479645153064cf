#include "runtime/wasm/tiers/optimising_compiler.h"

namespace shunt::wasm {

const OptimisingCompiler built_in_optimising_compiler = nullptr;

}  // namespace shunt::wasm
