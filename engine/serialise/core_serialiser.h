// Core serialisation: making every core that runs our threads fetch anew.
#pragma once

#include <string_view>

#include "shunt/error.h"

namespace shunt::detail {

// An interface, because there are several mechanisms, and a recording one in the tests. Implementations are
// thread-safe.
class CoreSerialiser {
 public:
  virtual ~CoreSerialiser() = default;

  // Of the mechanism, as CommitReport::mechanism shows it. A string literal.
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;

  // When it returns, every thread of the process, the calling one included, has executed a serialising instruction
  // (x86-64) or a context synchronisation event (arm64) since the call began, or will before it executes its next
  // instruction in user mode; and what the caller wrote before is visible to all of them. Blocks for microseconds.
  // Errors: SerialisationFailed.
  virtual Status serialise() = 0;
};

}  // namespace shunt::detail
