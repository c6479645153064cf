// The loops of a module: how often each has turned, and where each leads.
//
// All sites of a function belong to one key. In the state Optimised a loop's site leads where its own case demands: to
// the loop's entry in the optimised version (LoopEntry); or, while it has none, to its counter; or on, if it is to have
// none.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "runtime/wasm/baseline/baseline.h"
#include "runtime/wasm/baseline/entry_stubs.h"
#include "runtime/wasm/optimising/optimising.h"
#include "shunt/patch_batch.h"

namespace shunt::wasm {

// Not thread-safe, but that guests count meanwhile. Functions are counted from the first one that is defined.
class LoopEntries {
 public:
  // For the baseline compiler. Guest code writes without synchronisation: a lost count delays, no more.
  [[nodiscard]] std::deque<std::int32_t>& counters() { return counters_; }
  // When that has finished. `code` must outlive this object.
  void begin(const BaselineCode& code, std::uint32_t imported_functions, std::size_t defined_functions);

  // Turns of a function's loops since it was compiled, or thrown back.
  struct Turns {
    std::uint64_t all = 0;
    std::uint32_t most = 0;  // of a loop without an entry
    bool moves = false;      // more than at the last look
  };
  Turns look(std::uint32_t function);

  struct Wanted {
    std::uint64_t turns;
    CodePlace loop;
  };
  // Adds the function's loops that have an entry, or turned at least so often and can have one.
  void want(std::uint32_t function, std::uint64_t turns, std::vector<Wanted>& loops) const;
  // Those of them that the compiler made no entry for are not wanted again.
  void refused(std::span<const CodePlace> wanted, const OptimisedCode& made);

  // --- a switch to `code`: the stubs of its loops' entries; what the batch does; and once it is committed ---
  void add_stubs(const OptimisedCode& code, std::vector<baseline::OptimisedEntry>& stubs);
  // `stubs` are what add_stubs() added.
  void lead(PatchBatch& batch, std::deque<StaticSwitch>& keys, const OptimisedCode& code,
            std::span<const std::uint8_t* const> stubs) const;
  void installed(const OptimisedCode& code);

  // Turns of the function's loops are counted no more while it is optimised.
  void stop_counting(PatchBatch& batch, StaticSwitch& key, std::uint32_t function);
  // The function is thrown back to the baseline: it is counted anew.
  void reverted(std::uint32_t function);

  // How many have an entry.
  [[nodiscard]] std::size_t entered() const;

 private:
  struct Loop {
    LoopHead head;
    std::uint32_t seen = 0;  // turns, by the last look
    bool has_entry = false;
    bool is_refused = false;  // or cannot be entered at all
  };
  // Compilations of a function after which its other loops are counted no more.
  static constexpr std::uint32_t most_compilations = 4;

  [[nodiscard]] std::span<Loop> of(std::uint32_t function);
  [[nodiscard]] std::span<const Loop> of(std::uint32_t function) const;
  [[nodiscard]] Loop& find(const CodePlace& place);  // there is one
  [[nodiscard]] const std::uint8_t* at(std::uint32_t offset) const { return code_->code.data() + offset; }
  static std::uint32_t turns(const Loop& loop);
  void forget_turns(std::uint32_t function);

  std::deque<std::int32_t> counters_;  // from 0 downwards
  const BaselineCode* code_ = nullptr;
  std::uint32_t imported_functions_ = 0;
  std::vector<Loop> loops_;                  // by function and byte of the module
  std::vector<std::uint32_t> first_;         // by function: where its loops begin; one more
  std::vector<std::uint32_t> compilations_;  // by function, since it was thrown back
};

}  // namespace shunt::wasm
