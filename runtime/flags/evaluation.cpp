#include "runtime/flags/evaluation.h"

#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "runtime/flags/targeting/rule.h"

namespace shunt::flags {

using targeting::Json;

std::string_view to_string(Reason reason) {
  constexpr std::string_view names[] = {"STATIC", "DEFAULT", "TARGETING_MATCH", "DISABLED", "ERROR"};
  return names[static_cast<std::size_t>(reason)];
}

std::string_view to_string(EvaluationError error) {
  constexpr std::string_view names[] = {"",       "FLAG_NOT_FOUND", "PARSE_ERROR", "TYPE_MISMATCH", "INVALID_CONTEXT",
                                        "GENERAL"};
  return names[static_cast<std::size_t>(error)];
}

Choice choose(const Definition& definition, const Json& value) {
  if (value.is_null()) return {definition.default_variant, Reason::Default, {}};
  const std::string name = targeting::to_text(value);
  const Variant* const found = value.is_structured() ? nullptr : definition.find(name);
  if (found != nullptr) {
    return {static_cast<std::size_t>(found - definition.variants.data()), Reason::TargetingMatch, {}};
  }
  return {{},
          Reason::Error,
          fmt::format("targeting gives {}, which is not one of its variants ({}): name one of these, or add it",
                      value.is_structured() ? "an array or an object" : in_quotes(name), variant_names(definition))};
}

namespace {

void add_flagd(Json& context, std::string_view flag_key, std::int64_t seconds) {
  context["$flagd"] = {{"flagKey", flag_key}, {"timestamp", seconds}};
}

}  // namespace

bool uses_time(const Definition& definition) {
  return definition.is_targeted() && definition.rule->uses_time();
}

std::int64_t seconds_now() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()).time_since_epoch().count();
}

Choice choose_for(std::string_view key, const Definition& definition, Json& context, std::int64_t seconds) {
  if (!definition.rule) return {definition.default_variant, Reason::Default, {}};
  add_flagd(context, key, seconds);
  const Result<Json> value = definition.rule->evaluate(context);
  if (!value) return {{}, Reason::Error, "targeting: " + value.error().message()};
  return choose(definition, *value);
}

Evaluation evaluate(std::string_view key, const Definition& definition, Json& context, std::int64_t seconds) {
  Evaluation out;
  if (!definition.enabled) {
    out.reason = Reason::Disabled;
    return out;
  }
  Choice choice = choose_for(key, definition, context, seconds);
  out.reason = choice.reason;
  if (choice.reason == Reason::Error) {
    out.error = EvaluationError::General;
    out.message = std::move(choice.message);
    return out;
  }
  if (!definition.rule && choice.variant) out.reason = Reason::Static;
  if (!choice.variant) return out;
  const Variant& variant = definition.variants[*choice.variant];
  out.variant = variant.name;
  out.value = variant.value;
  out.is_object = definition.kind == Kind::Object;
  return out;
}

}  // namespace shunt::flags
