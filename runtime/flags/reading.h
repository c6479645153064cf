// How a flag's value becomes what a reader sees, and whether it can.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/flags/definition.h"
#include "shunt/runtime/flags.h"

namespace shunt::flags {

// Somebody who reads a flag.
struct Reader {
  FlagType type = FlagType::I32;
  std::string variant;  // of a `key=variant` import, else empty
  std::string name;     // for messages
  bool operator==(const Reader&) const = default;
};

// The bits of `value` read as `type`, empty if the type does not fit:
//   I32  booleans as 0 and 1; integers from -2^31 to 2^32 - 1, zero-extended
//   I64  integers
//   F64  any number, rounded to nearest
// Never for String.
[[nodiscard]] std::optional<std::uint64_t> bits_as(const FlagValue& value, FlagType type) noexcept;

// False for false, zero of either sign and the empty string.
[[nodiscard]] bool is_true(const FlagValue& value) noexcept;

// The state of a number key: 0 for zero, 1 for the value 1 of an I32, 2 for the rest.
[[nodiscard]] unsigned number_state(std::uint64_t bits, FlagType type) noexcept;

// The same value of the same type; numbers by their bits, so NaN equals itself and -0.0 differs from 0.0.
[[nodiscard]] bool same(const FlagValue& a, const FlagValue& b);

// Why a definition does not fit a reader: "[file:line: ]what: remedy", empty if it fits.
[[nodiscard]] std::optional<std::string> misfit(const Document& document, std::string_view key,
                                                const Definition& definition, const Reader& reader);
// The same for a value that a host sets.
[[nodiscard]] std::optional<std::string> misfit(std::string_view key, const FlagValue& value, const Reader& reader);

}  // namespace shunt::flags
