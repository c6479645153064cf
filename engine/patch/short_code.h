// Short pieces of code that the engine itself writes into code memory: veneers, trampolines.
#pragma once

#include <cstdint>
#include <optional>

#include "arch/site.h"
#include "engine/memory/code_memory.h"
#include "engine/memory/region.h"
#include "engine/patch/mutant.h"
#include "engine/patch/patcher.h"
#include "shunt/error.h"

namespace shunt::detail {

// Not thread-safe: the engine's commit lock protects it.
struct ShortCode {
  static constexpr std::uint32_t size = 16;  // of a piece, in bytes

  CodeMemory& memory;
  const Region& region;
  Patcher& patcher;

  // A piece that write(offset, where) writes, anywhere or in `window`. Nobody executes it before maintain(). Errors:
  // OutOfMemory, CodeMemoryUnavailable, Unsupported; TargetOutOfRange if the window has no room.
  template <class Write>
  Result<std::uint32_t> make(Write&& write, std::optional<CodeArena::Window> window = {}) {
    const Result<CodeMemory::Place> place = memory.allocate(size, window);
    if (!place) return place.error();
    write(place->offset, place->staging);
    // Never refused because code memory is shared: the caller, who holds the commit lock, has seen to that.
    if (const Result<bool> filled = memory.fill(place->offset); !filled) {
      end(place->offset);
      return filled.error();
    }
    return place->offset;
  }

  // Afterwards a branch may lead to the piece.
  void maintain(std::uint32_t offset) const {
    const arch::CodeRange range{offset, size, region.number};
    const Region* const only = &region;
    patcher.maintain({&only, 1}, {&range, 1});
  }

  // No thread is in the piece, and no branch leads to it. The traps that take its place are maintained.
  void end(std::uint32_t offset) const noexcept {
    if (memory.free(offset, size) != 0 && !mutated(Mutant::SkipFreedMaintenance)) maintain(offset);
  }
};

}  // namespace shunt::detail
