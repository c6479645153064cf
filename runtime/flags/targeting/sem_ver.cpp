#include "runtime/flags/targeting/sem_ver.h"

#include <algorithm>
#include <array>
#include <compare>
#include <cstddef>
#include <vector>

namespace shunt::flags::targeting {
namespace {

struct Version {
  std::array<std::string_view, 3> core = {"0", "0", "0"};
  std::vector<std::string_view> prerelease;
};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_number(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, is_digit);
}
// Without a zero in front.
bool is_plain_number(std::string_view text) {
  return is_number(text) && (text.size() == 1 || text[0] != '0');
}

// "a.b-c.1": identifiers of letters, digits and hyphens, none of them empty.
std::optional<std::vector<std::string_view>> identifiers(std::string_view text) {
  std::vector<std::string_view> out;
  for (;;) {
    const std::size_t end = std::min(text.find('.'), text.size());
    const std::string_view one = text.substr(0, end);
    const auto legal = [](char c) {
      return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
    };
    if (one.empty() || !std::ranges::all_of(one, legal)) return {};
    out.push_back(one);
    if (end == text.size()) return out;
    text.remove_prefix(end + 1);
  }
}

std::optional<Version> parse(std::string_view text) {
  if (text.starts_with('v') || text.starts_with('V')) text.remove_prefix(1);
  Version version;
  std::size_t parts = 0;
  for (;;) {
    std::size_t end = 0;
    while (end < text.size() && is_digit(text[end])) ++end;
    version.core[parts] = text.substr(0, end);
    if (!is_plain_number(version.core[parts++])) return {};
    text.remove_prefix(end);
    if (parts == version.core.size() || !text.starts_with('.')) break;
    text.remove_prefix(1);
  }
  if (text.empty()) return version;
  if (parts != version.core.size()) return {};  // a short version ends here
  const std::size_t plus = text.find('+');
  if (plus != std::string_view::npos && !identifiers(text.substr(plus + 1))) return {};
  text = text.substr(0, plus);
  if (text.empty()) return version;
  if (!text.starts_with('-')) return {};
  const auto parsed = identifiers(text.substr(1));
  if (!parsed) return {};
  for (const std::string_view one : *parsed) {
    if (is_number(one) && !is_plain_number(one)) return {};
  }
  version.prerelease = *parsed;
  return version;
}

// Numbers of any length, without zeros in front.
std::strong_ordering compare_numbers(std::string_view a, std::string_view b) {
  return a.size() != b.size() ? a.size() <=> b.size() : a <=> b;
}

std::strong_ordering compare_identifiers(std::string_view a, std::string_view b) {
  if (is_number(a) && is_number(b)) return compare_numbers(a, b);
  if (is_number(a) != is_number(b)) return is_number(a) ? std::strong_ordering::less : std::strong_ordering::greater;
  return a <=> b;
}

std::strong_ordering compare_core(const Version& a, const Version& b, std::size_t parts) {
  for (std::size_t i = 0; i < parts; ++i) {
    if (const auto order = compare_numbers(a.core[i], b.core[i]); order != 0) return order;
  }
  return std::strong_ordering::equal;
}

std::strong_ordering compare(const Version& a, const Version& b) {
  if (const auto order = compare_core(a, b, a.core.size()); order != 0) return order;
  if (a.prerelease.empty() != b.prerelease.empty()) {
    return a.prerelease.empty() ? std::strong_ordering::greater : std::strong_ordering::less;
  }
  return std::lexicographical_compare_three_way(a.prerelease.begin(), a.prerelease.end(), b.prerelease.begin(),
                                                b.prerelease.end(), compare_identifiers);
}

}  // namespace

std::optional<bool> compare_versions(std::string_view a, std::string_view op, std::string_view b) {
  const auto left = parse(a);
  const auto right = parse(b);
  if (!left || !right) return {};
  const auto order = compare(*left, *right);
  if (op == "=") return order == 0;
  if (op == "!=") return order != 0;
  if (op == "<") return order < 0;
  if (op == "<=") return order <= 0;
  if (op == ">") return order > 0;
  if (op == ">=") return order >= 0;
  if (op == "^") return compare_core(*left, *right, 1) == 0;
  if (op == "~") return compare_core(*left, *right, 2) == 0;
  return {};
}

}  // namespace shunt::flags::targeting
