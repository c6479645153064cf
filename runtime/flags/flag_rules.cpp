#include "runtime/flags/flag_rules.h"

#include <fmt/format.h>

#include <utility>

#include "runtime/flags/evaluation.h"
#include "runtime/flags/targeting/rule.h"

namespace shunt::flags {
namespace {

using targeting::Json;
using targeting::Rule;

// A passage that the parser took for JSON already.
Json parsed(std::string_view text) {
  return Json::parse(text, nullptr, false);
}

// Sees whether every value that the rule can have is the same variant.
void decide(Document& document, const RuleText& from, Definition& definition) {
  const auto values = definition.rule->possible_values();
  definition.decision = Decision::Targeted;
  if (!values) return;
  bool same = true;
  std::optional<Choice> first;
  for (const Json& value : *values) {
    const Choice choice = choose(definition, value);
    if (choice.reason == Reason::Error) {
      document.warnings.push_back(
          fmt::format("{}:{}: flag {}: {}", document.source, from.line, in_quotes(from.flag), choice.message));
    }
    same = same && (!first || first->variant == choice.variant);
    if (!first) first = choice;
  }
  if (!same || !first) return;
  definition.decision = Decision::Fixed;
  definition.fixed_variant = first->variant;
}

}  // namespace

Status add_rules(Document& document, const std::vector<RuleText>& rules, std::string_view evaluators) {
  Rule::Evaluators named;
  if (!evaluators.empty()) {
    const Json all = parsed(evaluators);
    for (auto it = all.begin(); it != all.end(); ++it) named.emplace(it.key(), it.value());
  }
  targeting::Allowance allowance;
  for (const RuleText& text : rules) {
    Definition& definition = document.flags.at(text.flag);
    const Json json = parsed(text.text);
    Result<Rule> rule = Rule::compile(json, named, text.flag, allowance);
    if (!rule) {
      return make_error(ErrorCode::BadFlags, fmt::format("{}:{}: flag {}: {}", document.source, text.line,
                                                         in_quotes(text.flag), rule.error().message()));
    }
    definition.rule = std::make_shared<const Rule>(std::move(*rule));
    definition.rule_text = text.text;
    if (definition.rule_text.find("$ref") != std::string::npos) definition.rule_text += evaluators;
    decide(document, text, definition);
  }
  return Ok{};
}

}  // namespace shunt::flags
