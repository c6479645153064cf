// Where a function's body begins in its module's bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace shunt::wasmc {

// `module` is a valid module in the binary format, `function` the index of a function that it defines, imports not
// counted. Empty if there is no such function.
std::optional<std::size_t> body_offset(std::span<const std::uint8_t> module, std::uint32_t function);

}  // namespace shunt::wasmc
