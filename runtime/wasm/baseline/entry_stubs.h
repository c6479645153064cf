// Stubs of entry sites: where a function's entry leads while it has an optimised version. A stub loads the address of
// the version's SlotsEntry into the register that the signature's thunk expects it in, and jumps there.
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
  std::size_t (*encode)(std::uint8_t* bytes, std::uintptr_t address, std::uintptr_t slots_entry, std::uintptr_t thunk);
};

struct OptimisedEntry {
  std::uint32_t type;  // index
  SlotsEntry entry;
};

struct EntryStubs {
  Code code;
  std::vector<const std::uint8_t*> stubs;  // one per entry
};

// Publishes without a core serialisation: a site leads there only by a later commit. `code` was made with entry keys
// and must outlive the stubs. Errors: the engine's.
Result<EntryStubs> make_entry_stubs(Engine& engine, const BaselineCode& code, std::span<const OptimisedEntry> entries);

}  // namespace shunt::wasm::baseline
