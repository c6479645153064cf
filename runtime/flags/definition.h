// What a flag document defines, before anybody reads it: plain values, no keys, no locks.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shunt/error.h"
#include "shunt/runtime/flags.h"

namespace shunt::flags {

// Of all variants of a flag. A number may be an integer or not; an Object cannot be read by a guest.
enum class Kind : std::uint8_t { Boolean, Number, String, Object };

struct Variant {
  std::string name;
  FlagValue value;  // meaningless in an Object flag
  unsigned line = 0;
};

struct Definition {
  unsigned line = 0;  // of the flag's key, from 1
  bool enabled = true;
  Kind kind = Kind::Boolean;
  std::vector<Variant> variants;               // in the document's order, at least one
  std::optional<std::size_t> default_variant;  // index; empty if the document names none

  [[nodiscard]] const Variant* find(std::string_view variant) const noexcept;
  // The variant in force, null if the flag reads as zero: DISABLED, without a default, or an Object.
  [[nodiscard]] const Variant* in_force() const noexcept;
};

struct Document {
  std::string source;
  std::map<std::string, Definition, std::less<>> flags;
  std::vector<std::string> warnings;
};

// Reads flagd's JSON (docs/flags.md). Errors: BadFlags, "source:line: flag 'key': what: remedy", or
// "source:line:column: …" for text that is not JSON. Thread-safe; does not block.
Result<Document> parse_flagd(std::string_view json, std::string_view source);

// A name as messages show it: quoted, shortened, control characters escaped, so that one message stays one line.
[[nodiscard]] std::string in_quotes(std::string_view name);

// "'red', 'green'": for remedies; the first few.
[[nodiscard]] std::string variant_names(const Definition& definition);

}  // namespace shunt::flags
