// Stubs of the sites of functions' tiers: where a function's entry and its loops' heads lead while it has an optimised
// version. A stub loads the address of the version's SlotsEntry, or LoopEntry, into the register in which the
// signature's thunk, or the code that leaves the loop, expects it, and jumps there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/wasm/baseline/baseline.h"
#include "shunt/engine.h"

namespace shunt::wasm::baseline {

// How an instruction set builds a stub of at most max_bytes.
struct EntryEncoder {
  std::size_t max_bytes;
  // Writes the stub for an execution at `address`; returns how many bytes.
  std::size_t (*encode)(std::uint8_t* bytes, std::uintptr_t address, std::uintptr_t entry, std::uintptr_t thunk);
};

struct OptimisedEntry {
  SlotsEntry entry;     // or LoopEntry
  std::uint32_t thunk;  // offset in the baseline's code: of optimised_thunks, or LoopHead::leave
};

struct EntryStubs {
  Code code;
  std::vector<const std::uint8_t*> stubs;  // one per entry
};

// Publishes without a core serialisation: a site leads there only by a later commit. `code` was made with entry keys
// and must outlive the stubs. Errors: the engine's.
Result<EntryStubs> make_entry_stubs(Engine& engine, const BaselineCode& code, std::span<const OptimisedEntry> entries);

}  // namespace shunt::wasm::baseline
