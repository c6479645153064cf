#include "runtime/wasm/module/name_section.h"

#include <wabt/leb128.h>
#include <wabt/utf8.h>

#include <algorithm>
#include <optional>

#include "shunt/runtime/module_limits.h"

namespace shunt::wasm {
namespace {

constexpr std::uint8_t function_names_subsection = 1;
constexpr std::uint32_t longest_name = runtime::ModuleLimits{}.name_bytes;

// What is left to read. Each member function takes from the front, or returns nothing and leaves the rest as it was.
struct Cursor {
  std::span<const std::uint8_t> rest;

  std::optional<std::uint32_t> number() {
    std::uint32_t value = 0;
    const std::size_t length = wabt::ReadU32Leb128(rest.data(), rest.data() + rest.size(), &value);
    if (length == 0) return std::nullopt;
    rest = rest.subspan(length);
    return value;
  }

  std::optional<std::span<const std::uint8_t>> bytes() {
    const Cursor before = *this;
    const std::optional<std::uint32_t> size = number();
    if (!size || *size > rest.size()) {
      *this = before;
      return std::nullopt;
    }
    const auto taken = rest.first(*size);
    rest = rest.subspan(*size);
    return taken;
  }
};

std::vector<std::string> read_map(Cursor cursor, std::size_t functions) {
  std::vector<std::string> names;
  const std::uint32_t count = cursor.number().value_or(0);
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::optional<std::uint32_t> function = cursor.number();
    if (!function) break;
    const auto text = cursor.bytes();
    if (!text) break;
    const char* const first = reinterpret_cast<const char*>(text->data());
    if (*function >= functions || text->size() > longest_name || !wabt::IsValidUtf8(first, text->size())) continue;
    if (names.size() <= *function) names.resize(std::size_t{*function} + 1);
    names[*function].assign(first, text->size());
  }
  return names;
}

}  // namespace

std::vector<std::string> read_function_names(std::span<const std::uint8_t> payload, std::size_t functions) {
  Cursor cursor{payload};
  while (!cursor.rest.empty()) {
    const std::uint8_t subsection = cursor.rest.front();
    cursor.rest = cursor.rest.subspan(1);
    const auto content = cursor.bytes();
    if (!content) break;
    if (subsection == function_names_subsection) return read_map(Cursor{*content}, functions);
  }
  return {};
}

}  // namespace shunt::wasm
