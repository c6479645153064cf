// What an engine is made of. The product makes it of the host's parts; tests of recording ones
// (tests/engine/recording.h).
#pragma once

#include <memory>

#include "engine/memory/dual_mapping.h"
#include "engine/observe/flip_rates.h"
#include "engine/patch/patcher.h"
#include "engine/serialise/core_serialiser.h"

namespace shunt::detail {

struct EngineParts {
  std::unique_ptr<Patcher> patcher;
  std::unique_ptr<CoreSerialiser> serialiser;
  Backing backing = Backing::Any;
  Clock clock = &monotonic_clock;    // for EngineOptions::flip_limit
  bool watches_demoted_keys = true;  // on a thread of its own, by the real clock
  bool probes_alias = false;         // an engine is refused where writes through the RW alias are not executed
};

// The two mappings of an engine's code memory, for tests and benchmarks that look at, or damage, code that stands.
[[nodiscard]] CodeViews code_views(const Engine& engine) noexcept;

}  // namespace shunt::detail
