#include "runtime/cli/near_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace shunt::cli {
namespace {

std::string listed(std::span<const std::string> names, std::string_view last_word) {
  std::string out;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i != 0) out += i + 1 == names.size() ? fmt::format(" {} ", last_word) : ", ";
    out += fmt::format("'{}'", names[i]);
  }
  return out;
}

}  // namespace

// Optimal string alignment: three rows of the usual table, so that a swap of neighbours counts once.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), now(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) now[j] = std::min(now[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, now);
  }
  return last[b.size()];
}

std::string suggestion(std::string_view name, std::span<const std::string> names) {
  constexpr std::size_t most = 3, listed_without_a_near_one = 10;
  std::vector<std::pair<std::size_t, std::string>> near;
  for (const std::string& candidate : names) {
    const std::size_t distance = edit_distance(name, candidate);
    const bool prefix = !name.empty() && candidate.starts_with(name);
    if (distance <= std::max<std::size_t>(1, name.size() / 3) || prefix) near.emplace_back(distance, candidate);
  }
  std::ranges::sort(near);
  if (!near.empty()) {
    std::vector<std::string> chosen;
    for (std::size_t i = 0; i < near.size() && i < most; ++i) chosen.push_back(near[i].second);
    return fmt::format("; did you mean {}?", listed(chosen, "or"));
  }
  if (names.empty()) return "";
  const auto shown = names.first(std::min(names.size(), listed_without_a_near_one));
  if (shown.size() == names.size())
    return fmt::format("; there {} {}", names.size() == 1 ? "is" : "are", listed(shown, "and"));
  return fmt::format("; there are {} and {} more", listed(shown, ","), names.size() - shown.size());
}

}  // namespace shunt::cli
