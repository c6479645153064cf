#include "runtime/flags/flag_reader.h"

#include <fmt/format.h>

#include <utility>

namespace shunt::flags {

bool Findings::fail(unsigned line, std::string_view what) {
  return fail(make_error(ErrorCode::BadFlags, fmt::format("{}:{}: {}", source_, line, what)));
}
bool Findings::fail_flag(std::string_view key, unsigned line, std::string_view what) {
  return fail(line, fmt::format("flag {}: {}", in_quotes(key), what));
}
void Findings::warn_flag(std::string_view key, unsigned line, std::string_view what) {
  warnings_.push_back(fmt::format("{}:{}: flag {}: {}", source_, line, in_quotes(key), what));
}

bool FlagReader::begin(std::string_view key, unsigned line) {
  key_ = key;
  flag_ = Definition{};
  flag_.line = line;
  has_state_ = has_variants_ = has_default_ = has_targeting_ = false;
  default_name_.reset();
  return !key.empty() || findings_.fail(line, "a flag has no name: give it one");
}

bool FlagReader::member(std::string_view name, unsigned line) {
  member_ = name;
  member_line_ = line;
  bool* seen = nullptr;
  if (name == "state") seen = &has_state_;
  if (name == "variants") seen = &has_variants_;
  if (name == "defaultVariant") seen = &has_default_;
  if (name == "targeting") seen = &has_targeting_;
  if (seen != nullptr) {
    if (*seen) return fail(line, fmt::format("'{}' is there twice: remove one", name));
    if (name == "targeting") has_targeting_ = true;
  } else if (name != "metadata") {
    findings_.warn_flag(key_, line, fmt::format("member {} is unknown and ignored", in_quotes(name)));
  }
  return true;
}

bool FlagReader::value(const Scalar& value) {
  const auto* text = std::get_if<std::string>(&value);
  if (member_ == "state") {
    if (text == nullptr || (*text != "ENABLED" && *text != "DISABLED")) {
      return fail(member_line_, fmt::format("'state' is {}: write \"ENABLED\" or \"DISABLED\"",
                                            text == nullptr ? "not a string" : in_quotes(*text)));
    }
    has_state_ = true;
    flag_.enabled = *text == "ENABLED";
  } else if (member_ == "variants") {
    return fail(member_line_, "'variants' is not an object: write an object with one member for each variant");
  } else if (member_ == "defaultVariant") {
    has_default_ = true;
    default_line_ = member_line_;
    if (text != nullptr) {
      default_name_ = *text;
    } else if (!std::holds_alternative<std::nullptr_t>(value)) {
      return fail(member_line_, "'defaultVariant' is not a string: write the name of a variant");
    }
  } else if (member_ == "targeting") {
    if (!std::holds_alternative<std::nullptr_t>(value)) {
      return fail(member_line_, "'targeting' is not an object: write a rule, {\"if\": [...]}");
    }
  }
  return true;
}

bool FlagReader::variant(std::string_view name, unsigned line) {
  variant_name_ = name;
  member_line_ = line;
  if (name.empty()) return fail(line, "a variant has no name: give it one");
  const Variant* const first = flag_.find(name);
  if (first == nullptr) return true;
  return fail(line,
              fmt::format("variant {} is there twice, first in line {}: remove one", in_quotes(name), first->line));
}

bool FlagReader::variant_value(Scalar value) {
  if (const bool* boolean = std::get_if<bool>(&value)) return add(Kind::Boolean, *boolean);
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return add(Kind::Number, *integer);
  if (const double* number = std::get_if<double>(&value)) return add(Kind::Number, *number);
  if (auto* text = std::get_if<std::string>(&value)) return add(Kind::String, std::move(*text));
  return fail(member_line_,
              fmt::format("variant {} is null: write a boolean, a number or a string", in_quotes(variant_name_)));
}

bool FlagReader::variant_is_array() {
  return fail(member_line_,
              fmt::format("variant {} is an array: write a boolean, a number or a string", in_quotes(variant_name_)));
}

bool FlagReader::variant_is_too_large(std::string_view number) {
  return fail(member_line_, fmt::format("variant {} is {}, which does not fit a 64-bit signed integer: use a "
                                        "smaller number, or write it with '.0' to have it rounded",
                                        in_quotes(variant_name_), number));
}

bool FlagReader::add(Kind kind, FlagValue value) {
  const auto name_of = [](Kind of) {
    constexpr std::string_view names[] = {"a boolean", "a number", "a string", "an object"};
    return names[static_cast<std::size_t>(of)];
  };
  if (flag_.variants.empty()) {
    flag_.kind = kind;
  } else if (flag_.kind != kind) {
    const Variant& first = flag_.variants.front();
    return fail(member_line_, fmt::format("variant {} is {}, but variant {} (line {}) is {}: give all variants of a "
                                          "flag the same type",
                                          in_quotes(variant_name_), name_of(kind), in_quotes(first.name), first.line,
                                          name_of(flag_.kind)));
  }
  flag_.variants.push_back(Variant{variant_name_, std::move(value), member_line_});
  return true;
}

bool FlagReader::finish(bool has_rule) {
  if (!has_state_) return fail(flag_.line, "it has no 'state': add \"state\": \"ENABLED\"");
  if (flag_.variants.empty()) {
    return fail(flag_.line, "it has no variants: add \"variants\": {\"on\": true, \"off\": false}, or what it needs");
  }
  if (default_name_) {
    const Variant* found = flag_.find(*default_name_);
    if (found == nullptr) {
      return fail(default_line_, fmt::format("defaultVariant {} is not one of its variants ({}): name one of these, "
                                             "or add it",
                                             in_quotes(*default_name_), variant_names(flag_)));
    }
    flag_.default_variant = static_cast<std::size_t>(found - flag_.variants.data());
    flag_.fixed_variant = flag_.default_variant;
  }
  if (flag_.kind == Kind::Object) {
    findings_.warn_flag(key_, flag_.line, "its variants are objects, which guests cannot read: it reads as zero");
  } else if (flag_.enabled && !flag_.default_variant && !has_rule) {
    findings_.warn_flag(key_, flag_.line, "it has no defaultVariant: it reads as zero");
  }
  return true;
}

}  // namespace shunt::flags
