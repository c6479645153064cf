// The pieces of optimised code of a module that threads may be in, for signal handlers and messages.
#pragma once

#include <cstdint>
#include <optional>

#include "runtime/wasm/module/lookup_list.h"
#include "runtime/wasm/optimising/optimising.h"

namespace shunt::wasm {

// As a LookupList.
class CodePieces {
 public:
  void add(const OptimisedCode& piece) { pieces_.add(piece); }
  void remove(const OptimisedCode& piece) { pieces_.remove(piece); }

  struct Found {
    TrapCode trap = TrapCode::None;  // that the instruction at `pc` raises by itself
    std::optional<CodePlace> place;
  };
  // Nothing if no piece holds `pc`. Async-signal-safe; does not block.
  [[nodiscard]] std::optional<Found> find(std::uintptr_t pc) const noexcept;

 private:
  LookupList<OptimisedCode> pieces_;
};

}  // namespace shunt::wasm
