#include "engine/quiesce/thread_record.h"

#include <algorithm>
#include <exception>
#include <functional>

#include "arch/backend.h"
#include "engine/patch/mutant.h"

namespace shunt {

// The words may lie in frames of C++ functions, where a sanitizer knows better than to let them be read.
__attribute__((no_sanitize("address", "thread"))) void walk_frame_pointers(const GuestFrame& innermost,
                                                                           const void* entry_mark,
                                                                           AddressVisitor& visit) {
  if (innermost.resume_point != nullptr) visit(innermost.resume_point);
  const auto end = reinterpret_cast<std::uintptr_t>(entry_mark);
  auto frame = reinterpret_cast<std::uintptr_t>(innermost.frame_pointer);
  while (frame < end && frame % sizeof(void*) == 0 && frame != 0) {
    const void* const* const words = reinterpret_cast<const void* const*>(frame);
    visit(arch::host::plain_return_address(words[1]));
    const auto outer = reinterpret_cast<std::uintptr_t>(words[0]);
    if (outer <= frame) break;
    frame = outer;
  }
}

namespace detail {

void ThreadRecord::enter() noexcept {
  State expected = State::Away;
  while (!state.compare_exchange_weak(expected, State::Guest, std::memory_order_acquire)) {
    if (expected == State::Ended) return;  // a scope that outlived its thread
    if (expected == State::Claimed) state.wait(State::Claimed, std::memory_order_relaxed);
    expected = State::Away;
  }
}

void ThreadRecord::leave() noexcept {
  state.store(State::Away, std::memory_order_release);
}

bool ThreadRecord::claim() noexcept {
  State expected = State::Away;
  while (!state.compare_exchange_weak(expected, State::Claimed, std::memory_order_acq_rel)) {
    if (expected == State::Guest || expected == State::Ended) return false;
    if (expected == State::Claimed) state.wait(State::Claimed, std::memory_order_relaxed);
    expected = State::Away;
  }
  return true;
}

void ThreadRecord::release_claim() noexcept {
  state.store(State::Away, std::memory_order_release);
  state.notify_all();
}

namespace {

class Collector final : public AddressVisitor {
 public:
  explicit Collector(std::vector<const void*>& addresses) : addresses_(addresses) {}
  void operator()(const void* address) override {
    // Recursion gives the same address over and over.
    if (addresses_.empty() || addresses_.back() != address) addresses_.push_back(address);
  }

 private:
  std::vector<const void*>& addresses_;
};

}  // namespace

bool ThreadRecord::walk(const GuestFrame* frame) noexcept {
  complete = false;
  addresses.clear();
  if (unknown != 0 || unscoped.load(std::memory_order_relaxed)) return false;
  try {
    Collector collect(addresses);
    for (const GuestSegment* segment = top; segment != nullptr; segment = segment->outer) {
      GuestFrame from = segment == top && frame != nullptr ? *frame : segment->left_at;
      if (mutated(Mutant::SkipHostFrames) && (segment != top || frame == nullptr)) continue;
      if (mutated(Mutant::SkipResumePoint)) from.resume_point = nullptr;
      const FrameWalker& chosen = segment->walker != nullptr ? *segment->walker : walker;
      if (chosen) {
        chosen(from, segment->entry_mark, collect);
      } else {
        walk_frame_pointers(from, segment->entry_mark, collect);
      }
    }
    std::sort(addresses.begin(), addresses.end(), std::less<>());
  } catch (const std::exception&) {
    return false;
  }
  complete = true;
  return true;
}

const void* ThreadRecord::address_in(const void* begin, const void* end) const noexcept {
  const auto first = std::lower_bound(addresses.begin(), addresses.end(), begin, std::less<>());
  return first != addresses.end() && std::less<>()(*first, end) ? *first : nullptr;
}

}  // namespace detail
}  // namespace shunt
