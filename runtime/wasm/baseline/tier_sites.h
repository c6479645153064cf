// The sites of functions' tiers, while a module is compiled: at each entry, and, where executions are counted, at each
// loop's head. All of a function's belong to its key (EntryState).
//
//   Baseline    a no-op
//   Count       jump to the site's stub, behind the function: it counts down, and goes back
//   Optimised   at an entry, jump to the optimised function; at a loop's head, whose frame stays in the baseline until
//   it
//               ends, a jump to the next instruction
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "runtime/wasm/baseline/baseline.h"
#include "shunt/codegen/asmjit.h"

namespace shunt::wasm::baseline {

// Not thread-safe. Borrows all.
class TierSites {
 public:
  struct Stub {
    asmjit::Label stub, resume;
    std::int32_t* counter;
  };

  // `counters` may be null: nothing is counted.
  TierSites(SiteEmitter& emitter, std::deque<StaticSwitch>& keys, std::int32_t* counters)
      : emitter_(emitter), keys_(keys), counters_(counters) {}

  [[nodiscard]] bool counts() const { return counters_ != nullptr; }

  // One instruction at the cursor; the processor flags and the selection's own scratch register are dead.
  template <class S>
  void add(S& selection, std::uint32_t defined_function) {
    const asmjit::Label resume = selection.new_label();
    asmjit::Label stub = resume;
    if (counts()) {
      stub = selection.new_label();
      stubs_.push_back({stub, resume, counters_ + defined_function});
    }
    const asmjit::Label targets[entry_states - 1] = {stub, resume};
    emitter_.branch(keys_[defined_function], targets);
    selection.bind(resume);
  }

  // Behind the function.
  template <class S>
  void emit_stubs(S& selection) {
    for (const Stub& stub : stubs_) {
      selection.bind(stub.stub);
      selection.count_down(stub.counter);
      selection.jump(stub.resume);
    }
    stubs_.clear();
  }

 private:
  SiteEmitter& emitter_;
  std::deque<StaticSwitch>& keys_;
  std::int32_t* counters_;
  std::vector<Stub> stubs_;  // of the function that is being compiled
};

}  // namespace shunt::wasm::baseline
