// Modules in files, in the binary or the text format.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shunt/error.h"

namespace shunt::runtime {

// A module's bytes, for Module::load(): a file whose name ends in ".wat" is assembled, any other is read as it is.
// Errors: SystemCall (names the file and the reason), BadModule (as assemble()). Thread-safe; blocks.
Result<std::vector<std::uint8_t>> read_module_file(const std::string& path);

// Assembles a module in the text format; function names are kept in its name section. `source_name` is for messages.
// Errors: BadModule, one line a mistake: "<source_name>:3:12: error: ...". For the host's own text: unlike
// Module::load(), not hardened against hostile input. Thread-safe.
Result<std::vector<std::uint8_t>> assemble(std::string_view text, std::string_view source_name);

}  // namespace shunt::runtime
