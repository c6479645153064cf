// The sites at which calls of a function are traced, while a module is compiled: one where the function is entered,
// behind its prologue, and one in front of each return. All of a function's belong to its key.
//
//   off        a no-op
//   on         jump to the site's stub, which is behind the function: it calls the module's trace thunk, and goes back
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "runtime/wasm/baseline/baseline.h"
#include "shunt/codegen/asmjit.h"

namespace shunt::wasm::baseline {

// Not thread-safe. Borrows all.
class TraceSites {
 public:
  TraceSites(SiteEmitter& emitter, std::deque<StaticKey>& keys) : emitter_(emitter), keys_(keys) {}

  // One instruction at the cursor.
  void add(std::uint32_t defined_function, std::uint32_t module_offset, const asmjit::Label& stub) {
    const std::size_t site = emitter_.branch(keys_[defined_function], stub, SiteForm::AlignedWord);
    sites_.push_back({.code_offset = emitter_.sites()[site].offset, .module_offset = module_offset});
  }

  [[nodiscard]] std::vector<TraceSite>& sites() { return sites_; }

 private:
  SiteEmitter& emitter_;
  std::deque<StaticKey>& keys_;
  std::vector<TraceSite> sites_;
};

}  // namespace shunt::wasm::baseline
