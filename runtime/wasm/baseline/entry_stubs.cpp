#include "runtime/wasm/baseline/entry_stubs.h"

#include <utility>

#include "runtime/wasm/baseline/host_selection.h"

namespace shunt::wasm::baseline {

Result<EntryStubs> make_entry_stubs(Engine& engine, const BaselineCode& code, std::span<const OptimisedEntry> entries) {
  constexpr std::size_t alignment = 16;
  const EntryEncoder& encoder = HostSelection::entry_encoder;
  const std::size_t stride = (encoder.max_bytes + alignment - 1) / alignment * alignment;
  Result<Engine::Allocation> memory = engine.allocate(entries.size() * stride);
  if (!memory) return std::move(memory).error();
  EntryStubs made;
  made.stubs.reserve(entries.size());
  for (const OptimisedEntry& entry : entries) {
    const std::size_t at = made.stubs.size() * stride;
    const std::uint8_t* const stub = memory->rx + at;
    encoder.encode(memory->staging + at, reinterpret_cast<std::uintptr_t>(stub),
                   reinterpret_cast<std::uintptr_t>(entry.entry),
                   reinterpret_cast<std::uintptr_t>(code.code.data() + entry.thunk));
    made.stubs.push_back(stub);
  }
  Result<Code> published = engine.publish_nosync(*memory, {});
  if (!published) return std::move(published).error();
  made.code = std::move(*published);
  return made;
}

}  // namespace shunt::wasm::baseline
