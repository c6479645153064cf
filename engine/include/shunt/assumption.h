// An assumption: a fact that code depends on. True until it is invalidated, once, for ever.
//
//   shunt::Assumption unwritten{"nobody has written the table"};
//
//   sites.branch(unwritten, slow_path);         // falls through while it holds: no test, no load
//   auto code = shunt::publish<...>(...);       // AssumptionBroken if it was invalidated while the code was compiled
//
//   batch.invalidate(unwritten);                // all its dependents, and whatever else the batch holds, flip together
//   batch.commit();                             // now no execution that starts believes it
//
// Code depends on an assumption by having a site of it, or by naming it when it is published (Engine::publish()). Code
// without a site cannot be corrected in place: who invalidates has to stop calling it, and finds it by
// Engine::dependents().
#pragma once

#include "shunt/static_key.h"

namespace shunt {

// State 0: it holds. State 1: it is broken. Nothing leads back.
class Assumption : public KeyBase {
 public:
  // Holds. `name` says the fact; it must outlive the assumption; it is shown in reports and errors.
  constexpr explicit Assumption(const char* name) noexcept : KeyBase(name, KeyKind::Assumption, 2, 0) {}

  // Data, like KeyBase::state(): a compiler asks so whether it is worth while to depend on it; publish() decides.
  [[nodiscard]] bool holds() const noexcept { return state() == 0; }
};

}  // namespace shunt
