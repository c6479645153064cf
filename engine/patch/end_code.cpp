// Code that ends: its sites leave the table, then traps take its place, and are maintained like any code that is
// written. Threads have left it, so nothing waits for a core serialisation: from the next one on nobody can execute
// what stood there, not even by mistake.
#include <algorithm>
#include <utility>

#include "engine/engine_impl.h"
#include "engine/patch/mutant.h"

namespace shunt {

arch::CodeRange Engine::Impl::end_code(Code& code) noexcept {
  const std::uint8_t* const rx = std::exchange(code.rx_, nullptr);
  const std::size_t size = std::exchange(code.size_, 0);
  code.engine_ = nullptr;
  const std::uint32_t begin = offset_of(rx);
  seeing.observers.ended(rx);
  drop_code(begin, static_cast<std::uint32_t>(size));
  return {begin, memory.free(begin, size), code_region.number};
}

// `freed` has an element for each piece.
void Engine::Impl::end_codes(std::span<Code> codes, std::span<arch::CodeRange> freed) noexcept {
  for (std::size_t i = 0; i < codes.size(); ++i) freed[i] = end_code(codes[i]);
  maintain_freed(freed.first(codes.size()));
}

// The memory may be in use again by now: maintaining it once more does no harm.
void Engine::Impl::maintain_freed(std::span<arch::CodeRange> freed) noexcept {
  if (!patcher->collects_ranges() || mutated(detail::Mutant::SkipFreedMaintenance)) return;
  const auto nothing_filled = [](const arch::CodeRange& range) { return range.length == 0; };
  const auto end = std::remove_if(freed.begin(), freed.end(), nothing_filled);
  std::sort(freed.begin(), end);
  const detail::Region* const region = &code_region;
  patcher->maintain({&region, 1}, {freed.begin(), end});
}

Code::~Code() {
  if (engine_ == nullptr) return;
  arch::CodeRange freed;
  engine_->impl_->end_codes({this, 1}, {&freed, 1});
}

Code::Code(Code&& other) noexcept
    : engine_(std::exchange(other.engine_, nullptr)),
      rx_(std::exchange(other.rx_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

Code& Code::operator=(Code&& other) noexcept {
  Code ended(std::move(*this));
  engine_ = std::exchange(other.engine_, nullptr);
  rx_ = std::exchange(other.rx_, nullptr);
  size_ = std::exchange(other.size_, 0);
  return *this;
}

}  // namespace shunt
