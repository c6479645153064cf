// The function names of a module's custom section "name".
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace shunt::wasm {

// `payload`: the section after its own name. Names that are not UTF-8, too long, or of functions that do not exist are
// left out, and reading ends where the section is malformed: by the specification, a bad name section does not make a
// module bad. The result has at most `functions` entries, "" for functions without a name.
std::vector<std::string> read_function_names(std::span<const std::uint8_t> payload, std::size_t functions);

}  // namespace shunt::wasm
