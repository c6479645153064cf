// The detours at which guests are interrupted, while a module is compiled: at the head of each loop, and at the entry
// of each function that calls. So whoever runs for long passes one: what passes none is straight code and the leaves
// that it calls.
//
//   off        a no-op
//   on         jump to the site's stub, which is behind the function: it calls the module's detour thunk, which asks
//              whether anything is wanted of this guest and comes back
//
// A no-op in one aligned word, not the toggle whose `test` is one instruction too: the no-op takes no execution port
// (benchmarks/flag_kernels.cpp), and loops' heads are aligned, so that it is no longer either.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/wasm/baseline/baseline.h"
#include "shunt/codegen/asmjit.h"

namespace shunt::wasm::baseline {

// Not thread-safe. Borrows the emitter and the key.
class InterruptSites {
 public:
  InterruptSites(SiteEmitter& emitter, StaticKey& key) : emitter_(emitter), key_(key) {}

  // One instruction at the cursor.
  void add(std::uint32_t module_offset, const asmjit::Label& stub) {
    const std::size_t site = emitter_.branch(key_, stub, SiteForm::AlignedWord);
    sites_.push_back({.code_offset = emitter_.sites()[site].offset, .module_offset = module_offset});
  }

  [[nodiscard]] std::vector<InterruptSite>& sites() { return sites_; }

 private:
  SiteEmitter& emitter_;
  StaticKey& key_;
  std::vector<InterruptSite> sites_;
};

}  // namespace shunt::wasm::baseline
