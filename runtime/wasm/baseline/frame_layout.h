// A function's frame, fixed before its code is emitted. Offsets are from the stack pointer, in bytes:
//
//   0                outgoing area: arguments and results of calls on the stack
//   context          where the context register is kept over calls that switch it (if there are any)
//   locals           locals that are in no register
//   operands         one slot per position of the operand stack
//   saved            saved registers that the prologue does not push, and a return address likewise
//   size
//
// A leaf whose frame fits into the red zone below the stack pointer leaves that alone: the offsets are negative then
// and `size` is 0. (The kernel keeps signal frames clear of 128 bytes there on x86-64: System V ABI, 3.2.2. On arm64 it
// does not: there is no red zone.)
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/wasm/baseline/function_analysis.h"
#include "runtime/wasm/baseline/pinning.h"

namespace shunt::wasm::baseline {

// A guest stack has at least twice this much unmapped memory below it. Frames are smaller, so none steps over it: each
// that calls stores a return address, at its lower or its upper end, or faults.
inline constexpr std::uint32_t max_frame_bytes = 512 * 1024;

class FrameLayout {
 public:
  void assign(const FunctionBody& body, const FunctionAnalysis& analysis, const Pinning& pinning,
              std::uint32_t saved_words, std::uint32_t red_zone);

  [[nodiscard]] std::int32_t home(std::uint32_t local) const { return homes_[local]; }
  [[nodiscard]] std::int32_t slot(std::uint32_t position) const {
    return operands_ + 8 * static_cast<std::int32_t>(position);
  }
  [[nodiscard]] static std::int32_t outgoing(std::uint32_t word) { return 8 * static_cast<std::int32_t>(word); }
  [[nodiscard]] std::int32_t context() const { return context_; }
  [[nodiscard]] std::int32_t saved(std::uint32_t word) const { return saved_ + 8 * static_cast<std::int32_t>(word); }
  [[nodiscard]] std::uint32_t size() const { return size_; }
  // Whether the function makes no call: where a call leaves the return address in a register, it can stay there.
  [[nodiscard]] bool is_leaf() const { return is_leaf_; }
  // Whether the frame is too large to exist: calling the function overflows the stack.
  [[nodiscard]] bool is_excessive() const { return size_ > max_frame_bytes; }

 private:
  std::vector<std::int32_t> homes_;  // by local; valid for locals in the frame
  std::int32_t context_ = 0, operands_ = 0, saved_ = 0;
  std::uint32_t size_ = 0;
  bool is_leaf_ = false;
};

}  // namespace shunt::wasm::baseline
