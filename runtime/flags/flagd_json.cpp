// flagd's JSON, read by events (SAX), so that every message can name its line and a document of any depth needs no
// recursion.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "runtime/flags/definition.h"
#include "runtime/flags/text_position.h"

namespace shunt::flags {
namespace {

using Scalar = std::variant<std::nullptr_t, bool, std::int64_t, double, std::string>;

// The events' receiver. Every handler returns whether to go on; the first error ends the parse.
class Reader {
 public:
  // The names that the parser's interface asks for.
  using number_integer_t = nlohmann::json::number_integer_t;
  using number_unsigned_t = nlohmann::json::number_unsigned_t;
  using number_float_t = nlohmann::json::number_float_t;
  using string_t = nlohmann::json::string_t;
  using binary_t = nlohmann::json::binary_t;

  Reader(std::string_view text, std::string_view source, Position& position) : text_(text), position_(position) {
    document_.source = source;
  }

  bool null() { return scalar(nullptr); }
  bool boolean(bool value) { return scalar(value); }
  bool number_integer(number_integer_t value) { return scalar(static_cast<std::int64_t>(value)); }
  bool number_unsigned(number_unsigned_t value) {
    if (value > static_cast<number_unsigned_t>(std::numeric_limits<std::int64_t>::max())) {
      return too_large(fmt::format("{}", value));
    }
    return scalar(static_cast<std::int64_t>(value));
  }
  bool number_float(number_float_t value, const string_t& text) {
    // An integer too large for 64 bits arrives rounded.
    if (text.find_first_of(".eE") == std::string::npos) return too_large(text);
    return scalar(value);
  }
  bool string(string_t& value) { return scalar(std::move(value)); }
  bool binary(binary_t&) { return false; }  // not in JSON text

  bool start_object(std::size_t);
  bool end_object();
  bool key(string_t& name);
  bool start_array(std::size_t);
  bool end_array();
  bool parse_error(std::size_t position, const std::string& last_token, const nlohmann::json::exception& error);

  Result<Document> finish();

 private:
  enum class At : std::uint8_t { Start, Root, Flags, Flag, Variants, End };

  bool fail(unsigned line, std::string_view what) {
    error_ = make_error(ErrorCode::BadFlags, fmt::format("{}:{}: {}", document_.source, line, what));
    return false;
  }
  bool fail_flag(unsigned line, std::string_view what) {
    return fail(line, fmt::format("flag {}: {}", in_quotes(flag_key_), what));
  }
  void warn_flag(unsigned line, std::string_view what) {
    document_.warnings.push_back(fmt::format("{}:{}: flag {}: {}", document_.source, line, in_quotes(flag_key_), what));
  }
  bool too_large(std::string_view number);
  bool skip(bool is_targeting = false);
  bool pass(bool opens);
  bool flag_aggregate();
  bool scalar(Scalar value);
  bool flag_member(Scalar value);
  bool variant(Kind kind, FlagValue value);
  bool key_in_flags(std::string_view name);
  bool key_in_flag(std::string_view name);
  bool finish_flag();

  std::string_view text_;
  Position& position_;
  Document document_;
  std::optional<Error> error_;

  At at_ = At::Start;
  std::size_t skipped_ = 0;  // open objects and arrays of a value that is not read
  bool in_targeting_ = false;
  bool seen_flags_ = false;
  std::string member_;  // of the root or the flag being read
  unsigned member_line_ = 0;

  // The flag being read.
  std::string flag_key_;
  Definition flag_;
  bool has_state_ = false, has_variants_ = false, has_default_ = false, has_targeting_ = false;
  std::optional<std::string> default_name_;
  unsigned default_line_ = 0, targeting_line_ = 0;
  std::string variant_name_;
};

bool Reader::too_large(std::string_view number) {
  if (skipped_ != 0 || at_ != At::Variants) return scalar(0.0);
  return fail_flag(member_line_, fmt::format("variant {} is {}, which does not fit a 64-bit signed integer: use a "
                                             "smaller number, or write it with '.0' to have it rounded",
                                             in_quotes(variant_name_), number));
}

// Passes over a value that is an object or an array.
bool Reader::skip(bool is_targeting) {
  skipped_ = 1;
  in_targeting_ = is_targeting;
  return true;
}

// An object or an array as a member of a flag, other than an object as 'variants'.
bool Reader::flag_aggregate() {
  if (member_ == "state" || member_ == "variants" || member_ == "defaultVariant") return flag_member(false);
  return skip(member_ == "targeting");
}

// Something that begins inside a skipped value.
bool Reader::pass(bool opens) {
  if (skipped_ == 1 && in_targeting_) has_targeting_ = true;
  if (opens) ++skipped_;
  return true;
}

bool Reader::start_object(std::size_t) {
  if (skipped_ != 0) return pass(true);
  switch (at_) {
    case At::Start:
      at_ = At::Root;
      return true;
    case At::Root:
      if (member_ != "flags") return skip();
      at_ = At::Flags;
      return true;
    case At::Flags:
      at_ = At::Flag;
      return true;
    case At::Flag:
      if (member_ == "variants") {
        has_variants_ = true;
        at_ = At::Variants;
        return true;
      }
      return flag_aggregate();
    case At::Variants:
      return variant(Kind::Object, false) && skip();
    case At::End:
      break;
  }
  return true;
}

bool Reader::end_object() {
  if (skipped_ != 0) {
    --skipped_;
    return true;
  }
  switch (at_) {
    case At::Variants:
      at_ = At::Flag;
      return true;
    case At::Flag:
      at_ = At::Flags;
      return finish_flag();
    case At::Flags:
      at_ = At::Root;
      return true;
    default:
      at_ = At::End;
      return true;
  }
}

bool Reader::start_array(std::size_t) {
  if (skipped_ != 0) return pass(true);
  switch (at_) {
    case At::Start:
      return fail(position_.line(), "the document is an array: write an object with a member 'flags'");
    case At::Root:
      if (member_ != "flags") return skip();
      return fail(member_line_, "'flags' is an array: write an object with one member for each flag");
    case At::Flags:
      return fail_flag(flag_.line, "it is an array: write an object with 'state', 'variants' and 'defaultVariant'");
    case At::Flag:
      return flag_aggregate();
    case At::Variants:
      return fail_flag(member_line_, fmt::format("variant {} is an array: write a boolean, a number or a string",
                                                 in_quotes(variant_name_)));
    case At::End:
      break;
  }
  return true;
}

bool Reader::end_array() {
  --skipped_;  // arrays occur only in what is skipped
  return true;
}

bool Reader::key(string_t& name) {
  if (skipped_ != 0) return pass(false);
  switch (at_) {
    case At::Root:
      member_ = std::move(name);
      member_line_ = position_.line();
      if (member_ == "flags" && std::exchange(seen_flags_, true)) {
        return fail(member_line_, "'flags' is there twice: merge the two");
      }
      return true;
    case At::Flags:
      return key_in_flags(name);
    case At::Flag:
      return key_in_flag(name);
    case At::Variants:
      variant_name_ = std::move(name);
      member_line_ = position_.line();
      if (variant_name_.empty()) return fail_flag(member_line_, "a variant has no name: give it one");
      if (const Variant* first = flag_.find(variant_name_)) {
        return fail_flag(member_line_, fmt::format("variant {} is there twice, first in line {}: remove one",
                                                   in_quotes(variant_name_), first->line));
      }
      return true;
    default:
      return true;
  }
}

bool Reader::key_in_flags(std::string_view name) {
  flag_key_ = name;
  flag_ = Definition{};
  flag_.line = position_.line();
  has_state_ = has_variants_ = has_default_ = has_targeting_ = false;
  default_name_.reset();
  if (name.empty()) return fail(flag_.line, "a flag has no name: give it one");
  const auto first = document_.flags.find(name);
  if (first == document_.flags.end()) return true;
  return fail_flag(flag_.line, fmt::format("it is defined twice, first in line {}: remove one", first->second.line));
}

bool Reader::key_in_flag(std::string_view name) {
  member_ = name;
  member_line_ = position_.line();
  bool* seen = nullptr;
  if (name == "state") seen = &has_state_;
  if (name == "variants") seen = &has_variants_;
  if (name == "defaultVariant") seen = &has_default_;
  if (name == "targeting") targeting_line_ = member_line_;
  if (seen != nullptr) {
    return !*seen || fail_flag(member_line_, fmt::format("'{}' is there twice: remove one", name));
  }
  if (name != "targeting" && name != "metadata") {
    warn_flag(member_line_, fmt::format("member {} is unknown and ignored", in_quotes(name)));
  }
  return true;
}

bool Reader::scalar(Scalar value) {
  if (skipped_ != 0) return pass(false);
  switch (at_) {
    case At::Start:
      return fail(position_.line(), "the document is not an object: write an object with a member 'flags'");
    case At::Root:
      return member_ != "flags" ||
             fail(member_line_, "'flags' is not an object: write an object with one member for each flag");
    case At::Flags:
      return fail_flag(flag_.line,
                       "it is not an object: write an object with 'state', 'variants' and 'defaultVariant'");
    case At::Flag:
      return flag_member(std::move(value));
    case At::Variants:
      break;
    case At::End:
      return true;
  }
  if (const bool* boolean = std::get_if<bool>(&value)) return variant(Kind::Boolean, *boolean);
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return variant(Kind::Number, *integer);
  if (const double* number = std::get_if<double>(&value)) return variant(Kind::Number, *number);
  if (auto* text = std::get_if<std::string>(&value)) return variant(Kind::String, std::move(*text));
  return fail_flag(member_line_,
                   fmt::format("variant {} is null: write a boolean, a number or a string", in_quotes(variant_name_)));
}

// A member of a flag that is not an object or an array, or is one where none belongs (then `value` is any non-string).
bool Reader::flag_member(Scalar value) {
  const auto* text = std::get_if<std::string>(&value);
  if (member_ == "state") {
    if (text == nullptr || (*text != "ENABLED" && *text != "DISABLED")) {
      return fail_flag(member_line_, fmt::format("'state' is {}: write \"ENABLED\" or \"DISABLED\"",
                                                 text == nullptr ? "not a string" : in_quotes(*text)));
    }
    has_state_ = true;
    flag_.enabled = *text == "ENABLED";
  } else if (member_ == "variants") {
    return fail_flag(member_line_, "'variants' is not an object: write an object with one member for each variant");
  } else if (member_ == "defaultVariant") {
    has_default_ = true;
    default_line_ = member_line_;
    if (text != nullptr) {
      default_name_ = *text;
    } else if (!std::holds_alternative<std::nullptr_t>(value)) {
      return fail_flag(member_line_, "'defaultVariant' is not a string: write the name of a variant");
    }
  } else if (member_ == "targeting") {
    has_targeting_ = !std::holds_alternative<std::nullptr_t>(value);
  }
  return true;
}

bool Reader::variant(Kind kind, FlagValue value) {
  const auto name_of = [](Kind of) {
    constexpr std::string_view names[] = {"a boolean", "a number", "a string", "an object"};
    return names[static_cast<std::size_t>(of)];
  };
  if (flag_.variants.empty()) {
    flag_.kind = kind;
  } else if (flag_.kind != kind) {
    const Variant& first = flag_.variants.front();
    return fail_flag(
        member_line_,
        fmt::format("variant {} is {}, but variant {} (line {}) is {}: give all variants of a "
                    "flag the same type",
                    in_quotes(variant_name_), name_of(kind), in_quotes(first.name), first.line, name_of(flag_.kind)));
  }
  flag_.variants.push_back(Variant{variant_name_, std::move(value), member_line_});
  return true;
}

bool Reader::finish_flag() {
  if (!has_state_) return fail_flag(flag_.line, "it has no 'state': add \"state\": \"ENABLED\"");
  if (flag_.variants.empty()) {
    return fail_flag(flag_.line,
                     "it has no variants: add \"variants\": {\"on\": true, \"off\": false}, or what it needs");
  }
  if (default_name_) {
    const Variant* found = flag_.find(*default_name_);
    if (found == nullptr) {
      return fail_flag(default_line_,
                       fmt::format("defaultVariant {} is not one of its variants ({}): name one of these, "
                                   "or add it",
                                   in_quotes(*default_name_), variant_names(flag_)));
    }
    flag_.default_variant = static_cast<std::size_t>(found - flag_.variants.data());
  }
  if (flag_.kind == Kind::Object) {
    warn_flag(flag_.line, "its variants are objects, which guests cannot read: it reads as zero");
  } else if (flag_.enabled && !flag_.default_variant) {
    warn_flag(flag_.line, "it has no defaultVariant: it reads as zero");
  } else if (flag_.enabled && has_targeting_) {
    warn_flag(targeting_line_, fmt::format("'targeting' is not evaluated: everybody gets the default variant {}",
                                           in_quotes(*default_name_)));
  }
  document_.flags.emplace(flag_key_, std::move(flag_));
  return true;
}

bool Reader::parse_error(std::size_t position, const std::string&, const nlohmann::json::exception& error) {
  // `position` counts the characters taken, the offending one included.
  const std::string_view before = text_.substr(0, std::min(position == 0 ? 0 : position - 1, text_.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t line_start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;

  // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error while …": what follows the place.
  std::string_view what = error.what();
  if (const auto bracket = what.find("] "); bracket != std::string_view::npos) what.remove_prefix(bracket + 2);
  if (what.starts_with("parse error at")) {
    if (const auto colon = what.find(": "); colon != std::string_view::npos) what.remove_prefix(colon + 2);
  }
  constexpr std::size_t shown = 200;
  error_ = make_error(ErrorCode::BadFlags, fmt::format("{}:{}:{}: not valid JSON: {}{}", document_.source, line,
                                                       before.size() - line_start + 1, what.substr(0, shown),
                                                       what.size() > shown ? "..." : ""));
  return false;
}

Result<Document> Reader::finish() {
  if (error_) return std::move(*error_);
  if (!seen_flags_) {
    static_cast<void>(fail(1, "the document has no 'flags': add \"flags\": {}, with one member for each flag"));
    return std::move(*error_);
  }
  return std::move(document_);
}

}  // namespace

Result<Document> parse_flagd(std::string_view json, std::string_view source) {
  Position position(json);
  Reader reader(json, source, position);
  nlohmann::json::sax_parse(CountingIterator(json.data(), position),
                            CountingIterator(json.data() + json.size(), position), &reader);
  return reader.finish();
}

}  // namespace shunt::flags
