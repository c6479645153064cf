// What a flag is for one context, as OpenFeature has it: variant, value, reason, error code. Pure, but for the time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/flags/definition.h"
#include "runtime/flags/targeting/json.h"
#include "shunt/error.h"
#include "shunt/runtime/flags.h"

namespace shunt::flags {

// What a rule's value says.
struct Choice {
  std::optional<std::size_t> variant;  // index
  Reason reason = Reason::Default;     // Default, TargetingMatch or Error
  std::string message;                 // of an Error
};
[[nodiscard]] Choice choose(const Definition& definition, const targeting::Json& value);

[[nodiscard]] std::int64_t seconds_now();  // since 1970

// Whether a flag's rule may change its mind with the time alone.
[[nodiscard]] bool uses_time(const Definition& definition);

// `context`: a Context's, whose "$flagd" it sets. Thread-safe for contexts of one's own; does not block.
[[nodiscard]] Choice choose_for(std::string_view key, const Definition& definition, targeting::Json& context,
                                std::int64_t seconds);

// All of it: DISABLED flags and those without a default too.
[[nodiscard]] Evaluation evaluate(std::string_view key, const Definition& definition, targeting::Json& context,
                                  std::int64_t seconds);

}  // namespace shunt::flags
