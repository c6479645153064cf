// A module around one function of the host, so that it has a reference, an entry and a place in a store like any other.
#pragma once

#include <cstdint>
#include <vector>

#include "shunt/runtime/value.h"

namespace shunt::wasmc {

inline constexpr const char* host_function_module_name = "host";
inline constexpr const char* host_function_name = "function";

// (module (func (import "host" "function") ...) (export "" (func 0))), in the binary format.
std::vector<std::uint8_t> host_function_module_bytes(const runtime::FunctionType& type);

}  // namespace shunt::wasmc
