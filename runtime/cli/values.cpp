#include "runtime/cli/values.h"

#include <fmt/format.h>

#include <bit>
#include <cctype>
#include <charconv>
#include <cmath>
#include <optional>
#include <type_traits>

namespace shunt::cli {
namespace {

using runtime::Value;
using runtime::ValueType;

Error refuse(std::string_view text, ValueType type, std::string_view why) {
  return make_error(ErrorCode::InvalidArgument, fmt::format("'{}' is no {}: {}", text, runtime::to_string(type), why));
}

std::string in_lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// Takes a sign off the front; true if it was '-'.
bool take_sign(std::string_view& text) {
  if (text.empty() || (text[0] != '-' && text[0] != '+')) return false;
  const bool negative = text[0] == '-';
  text.remove_prefix(1);
  return negative;
}

bool take_hex_prefix(std::string_view& text) {
  if (!text.starts_with("0x") && !text.starts_with("0X")) return false;
  text.remove_prefix(2);
  return true;
}

// All of `text` as a number without sign.
template <class Number, class... Format>
std::errc from_text(std::string_view text, Number& number, Format... format) {
  // from_chars would take a second sign.
  if (text.empty() || text[0] == '-' || text[0] == '+') return std::errc::invalid_argument;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, format...);
  if (error != std::errc{}) return error;
  return end == text.data() + text.size() ? std::errc{} : std::errc::invalid_argument;
}

template <class Unsigned>
Result<Unsigned> parse_integer(std::string_view text, ValueType type) {
  std::string_view digits = text;
  const bool negative = take_sign(digits);
  const int base = take_hex_prefix(digits) ? 16 : 10;
  Unsigned magnitude = 0;
  const std::errc error = from_text(digits, magnitude, base);
  constexpr Unsigned lowest = Unsigned{1} << (sizeof(Unsigned) * 8 - 1);
  if (error == std::errc::result_out_of_range || (error == std::errc{} && negative && magnitude > lowest)) {
    return refuse(text, type, fmt::format("it is outside -{} to {}", lowest, static_cast<Unsigned>(-1)));
  }
  if (error != std::errc{}) return refuse(text, type, "write an integer such as 42, -1 or 0xff");
  return negative ? Unsigned{0} - magnitude : magnitude;
}

template <class Float>
struct Layout;
template <>
struct Layout<float> {
  using Bits = std::uint32_t;
  static constexpr Bits fraction = 0x007fffff, quiet = 0x00400000, infinity = 0x7f800000, sign = 0x80000000;
};
template <>
struct Layout<double> {
  using Bits = std::uint64_t;
  static constexpr Bits fraction = 0x000fffffffffffff, quiet = 0x0008000000000000, infinity = 0x7ff0000000000000,
                        sign = 0x8000000000000000;
};

// The bits of a number without sign; empty if the text is none.
template <class Float>
std::optional<typename Layout<Float>::Bits> magnitude(std::string_view text, bool& overflows) {
  using L = Layout<Float>;
  if (text == "inf" || text == "infinity") return L::infinity;
  if (text == "nan") return L::infinity | L::quiet;
  if (text.starts_with("nan:")) {
    text.remove_prefix(4);
    typename L::Bits payload = 0;
    if (!take_hex_prefix(text) || from_text(text, payload, 16) != std::errc{}) return {};
    if (payload == 0 || payload > L::fraction) return {};
    return L::infinity | payload;
  }
  if (text.starts_with("i") || text.starts_with("n")) return {};  // other spellings that from_chars knows
  Float number = 0;
  const auto format = take_hex_prefix(text) ? std::chars_format::hex : std::chars_format::general;
  const std::errc error = from_text(text, number, format);
  overflows = error == std::errc::result_out_of_range;
  if (error != std::errc{}) return {};
  return std::bit_cast<typename L::Bits>(number);
}

template <class Float>
Result<typename Layout<Float>::Bits> parse_float(std::string_view text, ValueType type) {
  const std::string lower = in_lower_case(text);
  std::string_view digits = lower;
  const bool negative = take_sign(digits);
  bool overflows = false;
  const auto bits = magnitude<Float>(digits, overflows);
  if (overflows) return refuse(text, type, "it is too large or too small");
  if (!bits) return refuse(text, type, "write a number such as 1.5, -2e10, 0x1p-3, -inf, nan or nan:0x1");
  return negative ? *bits | Layout<Float>::sign : *bits;
}

template <class Float>
std::string format_float(typename Layout<Float>::Bits bits) {
  using L = Layout<Float>;
  const char* sign = (bits & L::sign) != 0 ? "-" : "";
  const auto rest = bits & ~L::sign;
  if (rest <= L::infinity) return fmt::format("{}", std::bit_cast<Float>(bits));
  if (rest == (L::infinity | L::quiet)) return fmt::format("{}nan", sign);
  return fmt::format("{}nan:{:#x}", sign, rest & L::fraction);
}

}  // namespace

Result<Value> parse_value(std::string_view text, ValueType type) {
  const auto wrap = [](auto&& result, auto make) -> Result<Value> {
    if (!result) return result.error();
    return make(*result);
  };
  switch (type) {
    case ValueType::I32:
      return wrap(parse_integer<std::uint32_t>(text, type), &Value::i32);
    case ValueType::I64:
      return wrap(parse_integer<std::uint64_t>(text, type), &Value::i64);
    case ValueType::F32:
      return wrap(parse_float<float>(text, type), [](std::uint32_t bits) { return Value{ValueType::F32, bits}; });
    case ValueType::F64:
      return wrap(parse_float<double>(text, type), [](std::uint64_t bits) { return Value{ValueType::F64, bits}; });
    case ValueType::FuncRef:
    case ValueType::ExternRef:
      if (text == "null") return Value::null_ref(type);
      return refuse(text, type, "only null can be written");
  }
  return refuse(text, type, "it cannot be written");
}

std::string format_value(const Value& value) {
  switch (value.type) {
    case ValueType::I32:
      return fmt::format("{}", value.as_i32());
    case ValueType::I64:
      return fmt::format("{}", value.as_i64());
    case ValueType::F32:
      return format_float<float>(static_cast<std::uint32_t>(value.bits));
    case ValueType::F64:
      return format_float<double>(value.bits);
    case ValueType::FuncRef:
    case ValueType::ExternRef:
      return value.bits == 0 ? "null" : std::string(runtime::to_string(value.type));
  }
  return "?";
}

bool is_negative_number(std::string_view text) {
  if (text.size() < 2 || text[0] != '-') return false;
  const std::string lower = in_lower_case(text.substr(1));
  text = lower;
  const auto digit = [&](std::size_t at) {
    return at < text.size() && std::isdigit(static_cast<unsigned char>(text[at])) != 0;
  };
  return digit(0) || (text[0] == '.' && digit(1)) || text == "inf" || text == "infinity" || text == "nan" ||
         text.starts_with("nan:");
}

}  // namespace shunt::cli
