#include "runtime/flags/in_force.h"

#include <utility>

#include "runtime/flags/evaluation.h"
#include "runtime/flags/reading.h"

namespace shunt::flags {

bool InForce::operator==(const InForce& other) const {
  if (variant != other.variant || value.has_value() != other.value.has_value()) return false;
  return !value || same(*value, *other.value);
}

InForce in_force(const Definitions& all, std::string_view key) {
  const Document& document = all.document;
  const Overrides& overrides = all.overrides;
  const auto definition = document.flags.find(key);
  if (const auto set = overrides.find(key); set != overrides.end()) {
    InForce out{set->second, {}, {}};
    if (definition == document.flags.end() || definition->second.kind == Kind::Object) return out;
    for (const Variant& variant : definition->second.variants) {
      if (!same(variant.value, set->second)) continue;
      out.variant = variant.name;
      break;
    }
    return out;
  }
  if (definition == document.flags.end()) return {};
  const Definition& found = definition->second;
  if (found.is_targeted()) {
    Choice choice = choose_for(key, found, all.context, all.seconds);
    if (!choice.variant) return {{}, {}, std::move(choice.message)};
    const Variant& variant = found.variants[*choice.variant];
    return {variant.value, variant.name, {}};
  }
  const Variant* variant = found.in_force();
  return variant == nullptr ? InForce{} : InForce{variant->value, variant->name, {}};
}

std::uint64_t bits_of(const InForce& now, FlagType type) {
  return now.value ? bits_as(*now.value, type).value_or(0) : 0;
}

}  // namespace shunt::flags
