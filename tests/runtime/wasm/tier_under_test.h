// Which tier a test's modules run in: SHUNT_TEST_TIER, baseline (the default) or optimising.
#pragma once

#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>

#include "shunt/runtime/module.h"

namespace shunt::test {

inline runtime::Tier tier_under_test() {
  const char* const named = std::getenv("SHUNT_TEST_TIER");
  if (named == nullptr || *named == '\0') return runtime::Tier::Baseline;
  const std::optional<runtime::Tier> tier = runtime::parse_tier(named);
  if (!tier) throw std::runtime_error(std::string("SHUNT_TEST_TIER: ") + named + " is no tier");
  return *tier;
}

}  // namespace shunt::test
