// The look ahead that a one-pass compiler affords: a forward and a backward pass over a function's pre-decoded
// operations, linear in their number, before any code is emitted.
//
// They find how high the operand stack grows, where blocks end, where calls destroy registers, and for each local how
// often it is mentioned (weighted by loop depth) and the range of operations over which its value may be read. Ranges
// are hulls: liveness is computed backwards over the structured control flow; what is live at a loop's head is live
// throughout the loop, because back edges are not followed (Boissinot et al., "Computing Liveness Sets for SSA-Form
// Programs", 2011: the loop-forest argument holds for one-sided hulls without SSA).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/wasm/baseline/signature_layout.h"
#include "runtime/wasm/module/function_body.h"

namespace shunt::wasm::baseline {

// What a function's operations refer to outside of it.
struct ModuleView {
  const ModuleData* module = nullptr;
  std::span<const SignatureLayout> types;    // by type index
  std::span<const std::uint8_t> flag_sites;  // by imported function: not zero if calling it is a patch site, not a call
  bool compiled_alone = false;               // one function, without the rest of its module

  [[nodiscard]] const SignatureLayout& layout_of(std::uint32_t function) const {
    return types[module->functions[function].type];
  }
  [[nodiscard]] bool is_import(std::uint32_t function) const { return function < module->imported_functions; }
  // Whether calls of it go by its FuncRef, in its context: of an import, or of what is not compiled with the caller.
  [[nodiscard]] bool calls_by_reference(std::uint32_t function) const { return compiled_alone || is_import(function); }
  [[nodiscard]] bool is_flag(std::uint32_t function) const {
    return function < flag_sites.size() && flag_sites[function] != 0;
  }
};

// A local's use. Positions are indices of operations.
struct LocalRange {
  std::uint32_t weight = 0;    // mentions, each counted 8 times a loop around it; 0: never mentioned
  std::uint32_t begin = 0;     // 0: has a value on entry that may be read; else the position after the first assignment
  std::uint32_t end = 0;       // last position at which the value may be read or written
  bool live_on_entry = false;  // a parameter that may be read, or a local that may be read before it is assigned

  [[nodiscard]] bool overlaps(const LocalRange& other) const { return begin <= other.end && other.begin <= end; }
};

class FunctionAnalysis {
 public:
  // More locals than this are never considered for registers, so that time and memory stay linear.
  static constexpr std::size_t max_candidates = 256;

  void run(const FunctionBody& body, const ModuleView& module);
  // Afterwards every local counts as used from begin to end, none is a candidate, and the function is no leaf.
  void keep_all_in_frame(const FunctionBody& body);

  // block, loop: their end; if: its else or end; else: its end; end: what it ends (the `if`, not the `else`). Only for
  // operations that can be reached.
  [[nodiscard]] std::uint32_t match(std::uint32_t position) const { return match_[position]; }
  [[nodiscard]] std::span<const LocalRange> locals() const { return locals_; }
  [[nodiscard]] std::span<const std::uint32_t> candidates() const { return candidates_; }  // heaviest first
  [[nodiscard]] bool calls_within(std::uint32_t begin,
                                  std::uint32_t end) const;  // destroying registers, in [begin, end)
  [[nodiscard]] bool is_leaf() const { return calls_.empty(); }
  [[nodiscard]] std::uint32_t max_height() const { return max_height_; }
  [[nodiscard]] std::uint32_t outgoing_words() const { return outgoing_words_; }
  [[nodiscard]] bool leaves_context() const { return leaves_context_; }  // has calls that switch the context register

 private:
  struct OpenBlock {
    std::uint32_t begin, height, loop_depth;
    const FunctionType* type;
  };
  template <int Words>
  struct LiveSets;

  void forward(const FunctionBody& body, const ModuleView& module);
  std::uint32_t skip_dead_code(const FunctionBody& body, std::uint32_t position);
  void close_block(const FunctionBody& body, std::uint32_t position);
  void open_block(std::uint32_t position, const FunctionType* type, bool is_loop);
  void call(const ModuleView& module, const Op& op, std::uint32_t position);
  void mention(const Op& op, std::uint32_t position, bool is_assignment);
  void choose_candidates();
  template <int Words>
  void backward(const FunctionBody& body);

  std::vector<std::uint32_t> match_;
  std::vector<LocalRange> locals_;
  std::vector<std::uint32_t> candidates_;
  std::vector<std::uint16_t> candidate_of_;  // by local: index into candidates_, or max_candidates
  std::vector<std::uint32_t> calls_;         // positions, ascending
  std::vector<OpenBlock> open_;
  std::vector<std::uint32_t> dead_;  // begins of blocks in code that is skipped
  std::uint32_t height_ = 0, max_height_ = 0, outgoing_words_ = 0;
  bool leaves_context_ = false;
};

}  // namespace shunt::wasm::baseline
