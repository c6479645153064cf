// flagd's sem_ver: versions by semver.org, also short ones ("1", "v1.2"), compared.
#pragma once

#include <optional>
#include <string_view>

namespace shunt::flags::targeting {

// `a op b`, op one of = != < <= > >= ~ (same major and minor) ^ (same major); build metadata counts nothing. Empty if
// one is no version, or op none of these. Pure.
[[nodiscard]] std::optional<bool> compare_versions(std::string_view a, std::string_view op, std::string_view b);

}  // namespace shunt::flags::targeting
