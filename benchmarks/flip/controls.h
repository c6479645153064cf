// What the flip benchmarks share: the control that every flip has, and what busy threads do.
#pragma once

#include <cstdint>
#include <span>

#include "benchmarks/support/measure.h"
#include "engine/serialise/membarrier.h"

namespace shunt::bench {

// The core serialisation alone: the least that any flip can cost.
inline Operation membarrier_alone() {
  static const auto serialiser = must(detail::make_membarrier_serialiser());
  return {"membarrier", [] {
            if (!serialiser->serialise()) fail("membarrier failed");
          }};
}

// More busy threads than other processors compete with the committing thread.
inline Preempted preempted(std::int64_t busy) {
  return busy < static_cast<std::int64_t>(processors()) ? Preempted::Drop : Preempted::Count;
}

// Work for busy threads: random functions of `code`, which has count() and call().
template <class Code>
auto random_calls(const Code& code) {
  return [&code](std::uint64_t random) { code.call(static_cast<std::uint32_t>(random % code.count())); };
}

}  // namespace shunt::bench
