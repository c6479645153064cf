#include "flag_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <system_error>

namespace demo {

void write_flag_file(const std::string& path, const FlagValues& values) {
  const std::string written = path + ".new";
  {
    std::ofstream file(written, std::ios::trunc);
    file << fmt::format(R"({{
  "$schema": "https://flagd.dev/schema/v0/flags.json",
  "flags": {{
    "fast-scan": {{
      "state": "ENABLED",
      "variants": {{ "on": true, "off": false }},
      "defaultVariant": "{}"
    }},
    "trace": {{
      "state": "ENABLED",
      "variants": {{ "on": true, "off": false }},
      "defaultVariant": "{}"
    }},
    "slow-ms": {{
      "state": "ENABLED",
      "variants": {{ "at-1000": {}, "at-250": {}, "at-50": {} }},
      "defaultVariant": "at-{}"
    }}
  }}
}}
)",
                        values.fast_scan ? "on" : "off", values.trace ? "on" : "off", slow_thresholds[0],
                        slow_thresholds[1], slow_thresholds[2], values.slow_ms);
    file.flush();
    if (!file) throw std::system_error(errno, std::generic_category(), written);
  }
  if (std::rename(written.c_str(), path.c_str()) != 0) throw std::system_error(errno, std::generic_category(), path);
}

}  // namespace demo
