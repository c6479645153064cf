// The sites of functions' tiers, while a module is compiled: at each entry, and, where executions are counted, at each
// loop's head. All of a function's belong to its key (EntryState).
//
//   Baseline    a no-op
//   Count       jump to the site's stub, behind the function: it counts down, and goes back
//   Optimised   a jump to the next instruction, until the site is retargeted to a stub of optimised code
//               (entry_stubs.h)
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
  // `counters` and `loop_counters` may both be null: nothing is counted.
  TierSites(SiteEmitter& emitter, std::deque<StaticSwitch>& keys, std::int32_t* counters,
            std::deque<std::int32_t>* loop_counters)
      : emitter_(emitter), keys_(keys), counters_(counters), loop_counters_(loop_counters) {}

  [[nodiscard]] bool counts() const { return counters_ != nullptr; }

  // At a function's entry: one instruction at the cursor. The processor flags and the selection's own scratch register
  // are dead.
  template <class S>
  void add_entry(S& selection, std::uint32_t defined_function) {
    add(selection, keys_[defined_function], counts() ? counters_ + defined_function : nullptr, none);
  }

  // At a loop's head, if turns are counted: likewise. Returns the index of its LoopHead, whose `leave` is for the
  // caller to fill in.
  template <class S>
  std::size_t add_loop(S& selection, std::uint32_t function, std::uint32_t defined_function,
                       std::uint32_t module_offset) {
    std::int32_t* const counter = &loop_counters_->emplace_back(0);
    const std::size_t head = heads_.size();
    heads_.push_back({.function = function,
                      .module_offset = module_offset,
                      .site = 0,
                      .resume = 0,
                      .count = 0,
                      .leave = 0,
                      .counter = counter});
    const std::size_t site = add(selection, keys_[defined_function], counter, head);
    heads_[head].site = emitter_.sites()[site].offset;
    heads_[head].resume = selection.offset();
    return head;
  }

  // Behind the function.
  template <class S>
  void emit_stubs(S& selection) {
    for (const Stub& stub : stubs_) {
      selection.bind(stub.stub);
      if (stub.head != none) heads_[stub.head].count = selection.offset();
      selection.count_down(stub.counter);
      selection.jump(stub.resume);
    }
    stubs_.clear();
  }

  [[nodiscard]] std::vector<LoopHead>& heads() { return heads_; }  // in the order of the code

 private:
  static constexpr std::size_t none = ~std::size_t{0};
  struct Stub {
    asmjit::Label stub, resume;
    std::int32_t* counter;
    std::size_t head;  // of heads_, or none
  };

  template <class S>
  std::size_t add(S& selection, StaticSwitch& key, std::int32_t* counter, std::size_t head) {
    const asmjit::Label resume = selection.new_label();
    asmjit::Label stub = resume;
    if (counter != nullptr) {
      stub = selection.new_label();
      stubs_.push_back({stub, resume, counter, head});
    }
    const asmjit::Label targets[entry_states - 1] = {stub, resume};
    const std::size_t site = emitter_.branch(key, targets);
    selection.bind(resume);
    return site;
  }

  SiteEmitter& emitter_;
  std::deque<StaticSwitch>& keys_;
  std::int32_t* counters_;
  std::deque<std::int32_t>* loop_counters_;
  std::vector<Stub> stubs_;  // of the function that is being compiled
  std::vector<LoopHead> heads_;
};

}  // namespace shunt::wasm::baseline
