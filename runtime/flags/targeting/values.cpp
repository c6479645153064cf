#include "runtime/flags/targeting/values.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <string_view>

namespace shunt::flags::targeting {
namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr std::string_view spaces = " \t\n\v\f\r";

// The number that the text begins with, and how many bytes spell it; 0 if none does.
std::pair<double, std::size_t> scan_number(std::string_view text) {
  std::size_t sign = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  const bool negative = sign == 1 && text[0] == '-';
  const std::string_view digits = text.substr(sign);
  constexpr std::string_view infinity = "Infinity";
  double value = 0;
  std::size_t used = 0;
  if (digits.starts_with(infinity)) {
    value = std::numeric_limits<double>::infinity();
    used = infinity.size();
  } else if (!digits.empty() && (digits[0] == '.' || (digits[0] >= '0' && digits[0] <= '9'))) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    used = error == std::errc::invalid_argument ? 0 : static_cast<std::size_t>(end - digits.data());
    if (error == std::errc::result_out_of_range) {  // `value` is unchanged: too large, or too small
      const std::string_view spelt = digits.substr(0, used);
      value = spelt.find("e-") == std::string_view::npos && spelt.find("E-") == std::string_view::npos
                  ? std::numeric_limits<double>::infinity()
                  : 0;
    }
  }
  if (used == 0) return {not_a_number, 0};
  return {negative ? -value : value, used + sign};
}

double number_of_text(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(spaces);
  if (begin == std::string_view::npos) return 0;
  text = text.substr(begin, text.find_last_not_of(spaces) - begin + 1);
  if (text.starts_with("0x") || text.starts_with("0X")) {
    std::uint64_t bits = 0;
    const auto [end, error] = std::from_chars(text.data() + 2, text.data() + text.size(), bits, 16);
    return error == std::errc() && end == text.data() + text.size() ? static_cast<double>(bits) : not_a_number;
  }
  const auto [value, used] = scan_number(text);
  return used == text.size() ? value : not_a_number;
}

// Digits and exponent as JavaScript writes them: no exponent between 1e-6 and 1e21.
std::string text_of_double(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  if (value == 0) return "0";
  const double size = std::fabs(value);
  if (size >= 1e21 || size < 1e-6) {
    std::string shortest = fmt::format("{}", value);  // "1e+21", "1e-07"
    const std::size_t exponent = shortest.find('e');
    if (exponent == std::string::npos) return shortest;
    std::size_t digits = exponent + 2;
    while (digits + 1 < shortest.size() && shortest[digits] == '0') ++digits;
    return shortest.substr(0, exponent + 2) + shortest.substr(digits);
  }
  constexpr double exact = 9007199254740992.0;  // 2^53: from here on the shortest digits end in zeros
  std::array<char, 64> buffer;
  const bool padded = size >= exact;
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                    padded ? std::chars_format::scientific : std::chars_format::fixed);
  const std::string_view text(buffer.data(), result.ptr);
  if (!padded) return std::string(text);
  const std::size_t e = text.find('e');  // "-1.25e+18"
  std::string digits(text.substr(0, e));
  std::erase(digits, '.');
  std::size_t exponent = 0;
  std::from_chars(text.data() + e + 2, text.data() + text.size(), exponent);
  digits.resize(exponent + 1 + (value < 0 ? 1 : 0), '0');
  return digits;
}

// What an array or an object is when it is compared with something else.
Json as_primitive(const Json& value) {
  return value.is_structured() ? Json(to_text(value)) : value;
}

std::string join(const Json& array) {
  std::string out;
  for (std::size_t i = 0; i < array.size(); ++i) out += (i == 0 ? "" : ",") + joined_text(array[i]);
  return out;
}

}  // namespace

bool truthy(const Json& value) {
  switch (value.type()) {
    case Json::value_t::boolean:
      return value.get<bool>();
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
      return value.get<std::int64_t>() != 0;
    case Json::value_t::number_float:
      return value.get<double>() != 0 && !std::isnan(value.get<double>());
    case Json::value_t::string:
      return !value.get_ref<const std::string&>().empty();
    case Json::value_t::array:
      return !value.empty();
    case Json::value_t::object:
      return true;
    default:
      return false;
  }
}

double to_number(const Json& value) {
  if (value.is_null()) return 0;
  if (value.is_boolean()) return value.get<bool>() ? 1 : 0;
  if (value.is_number()) return value.get<double>();
  if (value.is_string()) return number_of_text(value.get_ref<const std::string&>());
  return value.is_array() ? number_of_text(join(value)) : not_a_number;
}

double leading_number(const Json& value) {
  if (value.is_number()) return value.get<double>();
  if (!value.is_string()) return not_a_number;
  const std::string_view text = value.get_ref<const std::string&>();
  const std::size_t begin = text.find_first_not_of(spaces);
  return begin == std::string_view::npos ? not_a_number : scan_number(text.substr(begin)).first;
}

Json number(double value) {
  constexpr double exact = 9007199254740992.0;  // 2^53
  if (std::trunc(value) == value && std::fabs(value) <= exact) return static_cast<std::int64_t>(value);
  return value;
}

std::string to_text(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return "null";
    case Json::value_t::boolean:
      return value.get<bool>() ? "true" : "false";
    case Json::value_t::number_integer:
      return fmt::format("{}", value.get<std::int64_t>());
    case Json::value_t::number_unsigned:
      return fmt::format("{}", value.get<std::uint64_t>());
    case Json::value_t::number_float:
      return text_of_double(value.get<double>());
    case Json::value_t::string:
      return value.get<std::string>();
    case Json::value_t::array:
      return join(value);
    default:
      return "[object Object]";
  }
}

std::string joined_text(const Json& value) {
  return value.is_null() ? std::string() : to_text(value);
}

bool strictly_equal(const Json& a, const Json& b) {
  const bool numbers = a.is_number() && b.is_number();
  return (numbers || a.type() == b.type()) && a == b;
}

bool loosely_equal(const Json& a, const Json& b) {
  if ((a.is_number() && b.is_number()) || a.type() == b.type()) return a == b;
  if (a.is_null() || b.is_null()) return false;
  if (a.is_structured() && b.is_structured()) return false;
  const Json left = as_primitive(a);
  const Json right = as_primitive(b);
  if (left.is_string() && right.is_string()) return left == right;
  return to_number(left) == to_number(right);
}

bool less(const Json& a, const Json& b) {
  const Json left = as_primitive(a);
  const Json right = as_primitive(b);
  if (left.is_string() && right.is_string()) return left < right;
  return to_number(left) < to_number(right);
}

bool less_or_equal(const Json& a, const Json& b) {
  const Json left = as_primitive(a);
  const Json right = as_primitive(b);
  if (left.is_string() && right.is_string()) return left <= right;
  return to_number(left) <= to_number(right);
}

std::size_t weight(const Json& value) {
  std::size_t sum = 1;
  if (value.is_string()) return sum + value.get_ref<const std::string&>().size() / 16;
  if (value.is_object()) {
    for (const auto& [name, member] : value.items()) sum += name.size() / 16 + weight(member);
  } else if (value.is_array()) {
    for (const Json& element : value) sum += weight(element);
  }
  return sum;
}

}  // namespace shunt::flags::targeting
