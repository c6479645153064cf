// What a flag document defines, before anybody reads it: plain values, no keys, no locks.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shunt/error.h"
#include "shunt/runtime/flags.h"

namespace shunt::flags {

namespace targeting {
class Rule;
}

// Of all variants of a flag. A number may be an integer or not; an Object cannot be read by a guest.
enum class Kind : std::uint8_t { Boolean, Number, String, Object };

struct Variant {
  std::string name;
  FlagValue value;  // of an Object flag: its JSON text
  unsigned line = 0;
};

// What decides the variant.
enum class Decision : std::uint8_t {
  Fixed,     // the definition alone
  Targeted,  // the rule, for each context
};

struct Definition {
  unsigned line = 0;  // of the flag's key, from 1
  bool enabled = true;
  Kind kind = Kind::Boolean;
  std::vector<Variant> variants;               // in the document's order, at least one
  std::optional<std::size_t> default_variant;  // index; empty if the document names none

  std::shared_ptr<const targeting::Rule> rule;  // null: no targeting
  std::string rule_text;                        // what it was made of: equal texts are equal rules
  Decision decision = Decision::Fixed;
  std::optional<std::size_t>
      fixed_variant;     // index: of a Fixed flag, what its rule or its default says; empty: nothing
  std::string metadata;  // an object's JSON text, or empty

  [[nodiscard]] const Variant* find(std::string_view variant) const noexcept;
  // The variant in force for every context, null if there is none: DISABLED, targeted, without a default, or an Object.
  [[nodiscard]] const Variant* in_force() const noexcept;
  // Whether guests have to ask the rule.
  [[nodiscard]] bool is_targeted() const noexcept {
    return enabled && kind != Kind::Object && decision == Decision::Targeted;
  }
};

struct Document {
  std::string source;
  std::map<std::string, Definition, std::less<>> flags;
  std::vector<std::string> warnings;
  std::string metadata;  // an object's JSON text, or empty
};

// Reads flagd's JSON (docs/flags.md). Errors: BadFlags, "source:line: flag 'key': what: remedy", or
// "source:line:column: …" for text that is not JSON. Thread-safe; does not block.
Result<Document> parse_flagd(std::string_view json, std::string_view source);

// A name as messages show it: quoted, shortened, control characters escaped, so that one message stays one line.
[[nodiscard]] std::string in_quotes(std::string_view name);

// "'red', 'green'": for remedies; the first few.
[[nodiscard]] std::string variant_names(const Definition& definition);

}  // namespace shunt::flags
