// Whether a copy of a source is to do otherwise (source_mutants.cmake): if SHUNT_MUTANT names the mutant.
#pragma once

#include <cstdlib>
#include <string_view>

namespace shunt::test {

inline bool mutated(std::string_view name) {
  const char* const chosen = std::getenv("SHUNT_MUTANT");
  return chosen != nullptr && name == chosen;
}

}  // namespace shunt::test
