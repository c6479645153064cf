#include "runtime/wasm/baseline/frame_layout.h"

namespace shunt::wasm::baseline {

void FrameLayout::assign(const FunctionBody& body, const FunctionAnalysis& analysis, const Pinning& pinning,
                         std::uint32_t saved_words, std::uint32_t red_zone) {
  std::uint32_t words = analysis.outgoing_words();
  const std::uint32_t context_word = words;
  if (analysis.leaves_context()) ++words;
  homes_.resize(body.locals.size());
  for (std::uint32_t local = 0; local < body.locals.size(); ++local) {
    if (analysis.locals()[local].weight == 0 || pinning.of(local).valid()) continue;
    homes_[local] = 8 * static_cast<std::int32_t>(words++);
  }
  const std::uint32_t operand_word = words;
  words += analysis.max_height();
  const std::uint32_t saved_word = words;
  words += saved_words;

  size_ = 8 * words;
  is_leaf_ = analysis.is_leaf();
  std::int32_t base = 0;
  if (is_leaf_ && size_ <= red_zone) {
    base = -static_cast<std::int32_t>(size_);
    size_ = 0;
    for (std::int32_t& home : homes_) home += base;
  }
  context_ = base + 8 * static_cast<std::int32_t>(context_word);
  operands_ = base + 8 * static_cast<std::int32_t>(operand_word);
  saved_ = base + 8 * static_cast<std::int32_t>(saved_word);
}

}  // namespace shunt::wasm::baseline
