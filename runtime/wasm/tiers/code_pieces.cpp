#include "runtime/wasm/tiers/code_pieces.h"

#include "runtime/wasm/optimising/trap_instruction.h"

namespace shunt::wasm {

std::optional<CodePieces::Found> CodePieces::find(std::uintptr_t pc) const noexcept {
  std::optional<Found> found;
  pieces_.look([&](const OptimisedCode& piece) {
    if (!piece.holds(pc)) return false;
    found.emplace(trap_at(reinterpret_cast<const std::uint8_t*>(pc)), piece.place_of(pc));
    return true;
  });
  return found;
}

}  // namespace shunt::wasm
