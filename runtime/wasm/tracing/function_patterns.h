// Functions of a module by pattern: * stands for any characters, ? for one.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shunt/error.h"

namespace shunt::wasm {

struct ModuleData;
struct ModuleState;

// Takes time in proportion to the lengths' product at most.
bool matches(std::string_view pattern, std::string_view name);

// The functions (indices, ascending) one of whose names matches one of the patterns: what the module calls it, its
// exports' names, its import's, and func[12]. Without reads of flags. Errors: InvalidArgument: a pattern matches none;
// the message names functions that there are.
Result<std::vector<std::uint32_t>> find_functions(const ModuleState& module, std::span<const std::string> patterns);

// What a trace calls it: "parse", "wasi_snapshot_preview1.fd_write", "function 12".
std::string trace_name(const ModuleData& module, std::uint32_t function);

}  // namespace shunt::wasm
