// The pieces of optimised code of a module that threads may be in, for signal handlers and messages.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

#include "runtime/wasm/optimising/optimising.h"

namespace shunt::wasm {

// Lookups from any thread, in signal handlers too, while pieces come and go.
class CodePieces {
 public:
  CodePieces() = default;
  ~CodePieces();
  CodePieces(const CodePieces&) = delete;
  CodePieces& operator=(const CodePieces&) = delete;

  // Not both at the same time; may throw std::bad_alloc. When remove() has returned, no lookup uses the piece.
  void add(const OptimisedCode& piece);
  void remove(const OptimisedCode& piece);

  struct Found {
    TrapCode trap = TrapCode::None;  // that the instruction at `pc` raises by itself
    std::optional<CodePlace> place;
  };
  // Nothing if no piece holds `pc`. Async-signal-safe; does not block.
  [[nodiscard]] std::optional<Found> find(std::uintptr_t pc) const noexcept;

 private:
  using List = std::vector<const OptimisedCode*>;
  void replace(const List* list);

  std::atomic<const List*> list_{nullptr};
  mutable std::atomic<std::uint32_t> lookups_{0};
};

}  // namespace shunt::wasm
