// What a test prints about how its engine made cores serialise.
#pragma once

#include <string>

#include "shunt/engine.h"

namespace shunt::test {

// "120 serialisations by membarrier", for each mechanism that was used.
inline std::string serialised(const Engine& engine) {
  std::string text;
  for (const auto& [mechanism, count] : engine.stats().serialisations) {
    text += (text.empty() ? "" : ", ") + std::to_string(count) + " serialisations by " + std::string(mechanism);
  }
  return text.empty() ? "no serialisation" : text;
}

}  // namespace shunt::test
