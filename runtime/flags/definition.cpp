#include "runtime/flags/definition.h"

#include <fmt/format.h>

#include <algorithm>

namespace shunt::flags {

const Variant* Definition::find(std::string_view variant) const noexcept {
  const auto it = std::ranges::find(variants, variant, &Variant::name);
  return it == variants.end() ? nullptr : &*it;
}

const Variant* Definition::in_force() const noexcept {
  if (!enabled || is_targeted() || !fixed_variant || kind == Kind::Object) return nullptr;
  return &variants[*fixed_variant];
}

std::string in_quotes(std::string_view name) {
  constexpr std::size_t shown = 80;
  std::size_t end = std::min(name.size(), shown);
  // Never cut a UTF-8 character: its bytes after the first are 0b10xxxxxx.
  while (end < name.size() && end > 0 && (static_cast<unsigned char>(name[end]) & 0xc0) == 0x80) --end;
  std::string out = "'";
  for (const char c : name.substr(0, end)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out + (end < name.size() ? "...'" : "'");
}

std::string variant_names(const Definition& definition) {
  constexpr std::size_t shown = 8;
  std::string out;
  for (std::size_t i = 0; i < definition.variants.size() && i < shown; ++i) {
    out += (i == 0 ? "" : ", ") + in_quotes(definition.variants[i].name);
  }
  if (definition.variants.size() > shown) out += fmt::format(" and {} more", definition.variants.size() - shown);
  return out;
}

}  // namespace shunt::flags
