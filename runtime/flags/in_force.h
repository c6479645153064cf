// What a flag is in one state of a set: what its definition says for a context, unless somebody has set it. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/flags/definition.h"
#include "runtime/flags/targeting/json.h"
#include "shunt/runtime/flags.h"

namespace shunt::flags {

using Overrides = std::map<std::string, FlagValue, std::less<>>;  // what FlagSet::set() was given, by key

struct InForce {
  std::optional<FlagValue> value;
  std::string variant;  // empty if none
  std::string problem;  // why rules gave no value; counts nothing in comparisons
  bool operator==(const InForce& other) const;
};

// The whole state of a set, for comparing one with the next.
struct Definitions {
  const Document& document;
  const Overrides& overrides;
  targeting::Json& context;  // a Context's; rules are evaluated for it
  std::int64_t seconds = 0;  // since 1970
};

// Empty if the flag is not defined, disabled, or without a value that is in force. A value that was set has the variant
// of that value, if the flag is defined with one.
[[nodiscard]] InForce in_force(const Definitions& all, std::string_view key);

// What a reader of `type` sees: 0 where there is no value, or one that does not fit.
[[nodiscard]] std::uint64_t bits_of(const InForce& now, FlagType type);

}  // namespace shunt::flags
