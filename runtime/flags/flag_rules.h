// The targeting rules of a document: read when all of it is known, because they refer to evaluators that may stand
// behind them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/flags/definition.h"

namespace shunt::flags {

struct RuleText {
  std::string flag;
  std::string_view text;  // of an object
  unsigned line;
};

// Gives the document's flags their rules, and says which of them a rule decides for every context; adds warnings.
// `evaluators`: an object's text, or empty. Errors: BadFlags, "source:line: flag 'key': targeting.path: what: remedy".
// Pure.
Status add_rules(Document& document, const std::vector<RuleText>& rules, std::string_view evaluators);

}  // namespace shunt::flags
