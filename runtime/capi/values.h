// Values of wasm.h as the 64-bit words that guests hold, and back.
#pragma once

#include <wasm.h>

#include <cstdint>

#include "runtime/capi/store.h"
#include "shunt/runtime/value.h"

namespace shunt::wasmc {

// Errors: InvalidArgument if the value is of another type, or refers to another store's object; `what` names it.
Result<std::uint64_t> to_word(StoreObjects& store, runtime::ValueType type, const wasm_val_t& value, const char* what);

// The same for what a table or a global of references is given. Null is allowed.
Result<std::uint64_t> to_word(StoreObjects& store, runtime::ValueType type, const wasm_ref_t* ref, const char* what);

// The caller owns the reference, if it is one.
wasm_val_t to_value(StoreObjects& store, runtime::ValueType type, std::uint64_t word);
std::unique_ptr<wasm_ref_t> to_reference(StoreObjects& store, runtime::ValueType type, std::uint64_t word);

// Zero, or null.
wasm_val_t empty_value(runtime::ValueType type) noexcept;

}  // namespace shunt::wasmc
