#include "runtime/wasm/tiers/code_pieces.h"

#include <algorithm>
#include <memory>
#include <thread>

#include "runtime/wasm/optimising/trap_instruction.h"

namespace shunt::wasm {

CodePieces::~CodePieces() {
  delete list_.load(std::memory_order_relaxed);  // nobody else is left
}

void CodePieces::add(const OptimisedCode& piece) {
  const List* const now = list_.load(std::memory_order_relaxed);  // only we write it
  auto next = now == nullptr ? std::make_unique<List>() : std::make_unique<List>(*now);
  next->push_back(&piece);
  replace(next.release());
}

void CodePieces::remove(const OptimisedCode& piece) {
  auto next = std::make_unique<List>(*list_.load(std::memory_order_relaxed));
  std::erase(*next, &piece);
  replace(next.release());
}

// A lookup that began before the exchange is counted; one that begins later finds the new list. seq_cst on both sides,
// because each writes one variable and then reads the other.
void CodePieces::replace(const List* list) {
  const List* const before = list_.exchange(list, std::memory_order_seq_cst);
  while (lookups_.load(std::memory_order_seq_cst) != 0) std::this_thread::yield();
  delete before;
}

std::optional<CodePieces::Found> CodePieces::find(std::uintptr_t pc) const noexcept {
  lookups_.fetch_add(1, std::memory_order_seq_cst);
  std::optional<Found> found;
  if (const List* const list = list_.load(std::memory_order_seq_cst); list != nullptr) {
    for (const OptimisedCode* const piece : *list) {
      if (!piece->holds(pc)) continue;
      found.emplace(trap_at(reinterpret_cast<const std::uint8_t*>(pc)), piece->place_of(pc));
      break;
    }
  }
  lookups_.fetch_sub(1, std::memory_order_release);  // release: our reads come before the list is freed
  return found;
}

}  // namespace shunt::wasm
