// What the requests of flag_control.h mean.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shunt/runtime/flags.h"

namespace shunt::flags {

struct Answer {
  std::string line;  // JSON, without a newline
  bool watches = false;
};

// `request`: any bytes. Thread-safe; blocks as FlagSet::set() does.
[[nodiscard]] Answer answer(FlagSet& set, std::string_view request);

// {"flags": [...]}: these as they are now.
[[nodiscard]] std::string flags_line(const FlagSet& set, const std::vector<std::string>& keys);

}  // namespace shunt::flags
