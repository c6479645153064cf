#include "runtime/flags/reading.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <limits>

namespace shunt::flags {
namespace {

constexpr std::int64_t i32_min = std::numeric_limits<std::int32_t>::min();
constexpr std::int64_t i32_max = std::numeric_limits<std::uint32_t>::max();

std::string_view name_of(FlagType type) {
  switch (type) {
    case FlagType::I32:
      return "i32";
    case FlagType::I64:
      return "i64";
    case FlagType::F64:
      return "f64";
    case FlagType::String:
      return "a string";
  }
  return "?";
}

// What a definition must hold for a reader of `type`.
std::string_view wanted_by(FlagType type) {
  switch (type) {
    case FlagType::I32:
      return "boolean or integer variants";
    case FlagType::I64:
      return "integer variants";
    case FlagType::F64:
      return "number variants";
    case FlagType::String:
      return "string variants";
  }
  return "?";
}

std::string_view name_of(Kind kind) {
  switch (kind) {
    case Kind::Boolean:
      return "booleans";
    case Kind::Number:
      return "numbers";
    case Kind::String:
      return "strings";
    case Kind::Object:
      return "objects";
  }
  return "?";
}

bool kind_fits(Kind kind, FlagType type) {
  switch (kind) {
    case Kind::Boolean:
      return type == FlagType::I32;
    case Kind::Number:
      return type != FlagType::String;
    case Kind::String:
      return type == FlagType::String;
    case Kind::Object:
      return true;  // reads as zero whatever the reader asks; the document's warning says so
  }
  return false;
}

Kind kind_of(const FlagValue& value) {
  if (std::holds_alternative<bool>(value)) return Kind::Boolean;
  if (std::holds_alternative<std::string>(value)) return Kind::String;
  return Kind::Number;
}

// Why a number does not fit `type`; precondition: bits_as() is empty.
std::string number_misfit(const FlagValue& value, const Reader& reader) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    return fmt::format("{}, outside the range of the i32 that {} reads ({} to {}): give it a value in that range",
                       *integer, reader.name, i32_min, i32_max);
  }
  return fmt::format("{}, but {} reads the flag as {}, which holds integers only: write an integer without '.' or 'e'",
                     std::get<double>(value), reader.name, name_of(reader.type));
}

}  // namespace

std::optional<std::uint64_t> bits_as(const FlagValue& value, FlagType type) noexcept {
  const auto* integer = std::get_if<std::int64_t>(&value);
  switch (type) {
    case FlagType::I32:
      if (const bool* boolean = std::get_if<bool>(&value)) return *boolean ? 1 : 0;
      if (integer == nullptr || *integer < i32_min || *integer > i32_max) return {};
      return static_cast<std::uint32_t>(*integer);
    case FlagType::I64:
      if (integer == nullptr) return {};
      return static_cast<std::uint64_t>(*integer);
    case FlagType::F64:
      if (integer != nullptr) return std::bit_cast<std::uint64_t>(static_cast<double>(*integer));
      if (const double* number = std::get_if<double>(&value)) return std::bit_cast<std::uint64_t>(*number);
      return {};
    case FlagType::String:
      return {};
  }
  return {};
}

bool is_true(const FlagValue& value) noexcept {
  if (const bool* boolean = std::get_if<bool>(&value)) return *boolean;
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return *integer != 0;
  if (const double* number = std::get_if<double>(&value)) return *number != 0;
  return !std::get<std::string>(value).empty();
}

unsigned number_state(std::uint64_t bits, FlagType type) noexcept {
  if (bits == 0) return 0;
  return type == FlagType::I32 && bits == 1 ? 1 : 2;
}

bool same(const FlagValue& a, const FlagValue& b) {
  if (a.index() != b.index()) return false;
  if (const double* number = std::get_if<double>(&a)) {
    return std::bit_cast<std::uint64_t>(*number) == std::bit_cast<std::uint64_t>(std::get<double>(b));
  }
  return a == b;
}

std::optional<std::string> misfit(const Document& document, std::string_view key, const Definition& definition,
                                  const Reader& reader) {
  const auto at = [&](unsigned line) { return fmt::format("{}:{}: flag {}", document.source, line, in_quotes(key)); };
  if (definition.kind == Kind::Object) return {};
  if (!reader.variant.empty()) {
    if (definition.find(reader.variant) != nullptr) return {};
    return fmt::format(
        "{}: {} asks whether variant {} is in force, but the variants are {}: add it, or correct the import",
        at(definition.line), reader.name, in_quotes(reader.variant), variant_names(definition));
  }
  if (!kind_fits(definition.kind, reader.type)) {
    return fmt::format("{}: {} reads it as {}, but its variants are {}: give it {}, or correct the import",
                       at(definition.line), reader.name, name_of(reader.type), name_of(definition.kind),
                       wanted_by(reader.type));
  }
  if (definition.kind != Kind::Number) return {};
  for (const Variant& variant : definition.variants) {
    if (bits_as(variant.value, reader.type)) continue;
    return fmt::format("{}: variant {} is {}", at(variant.line), in_quotes(variant.name),
                       number_misfit(variant.value, reader));
  }
  return {};
}

std::optional<std::string> misfit(std::string_view key, const FlagValue& value, const Reader& reader) {
  if (!reader.variant.empty()) return {};
  const Kind kind = kind_of(value);
  if (!kind_fits(kind, reader.type)) {
    return fmt::format("flag {}: {} reads it as {}, but the value to set is one of {}: set a value that fits {}",
                       in_quotes(key), reader.name, name_of(reader.type), name_of(kind), wanted_by(reader.type));
  }
  if (kind != Kind::Number || bits_as(value, reader.type)) return {};
  return fmt::format("flag {}: the value to set is {}", in_quotes(key), number_misfit(value, reader));
}

}  // namespace shunt::flags
