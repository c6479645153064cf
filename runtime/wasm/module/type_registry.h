// Canonical signatures: one number per distinct function type, the same in the whole process, so that an indirect call
// compares one word and modules that never met agree.
#pragma once

#include <cstdint>

#include "shunt/runtime/value.h"

namespace shunt::wasm {

// Never fails, never forgets. Thread-safe; takes a lock.
std::uint32_t canonical_type(const runtime::FunctionType& type);

}  // namespace shunt::wasm
