#include "runtime/wasm/tiers/loop_entries.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <utility>

namespace shunt::wasm {
namespace {

constexpr auto optimised = static_cast<unsigned>(EntryState::Optimised);

using Place = std::pair<std::uint32_t, std::uint32_t>;

Place place_of(const LoopHead& head) {
  return {head.function, head.module_offset};
}

// Which of the code's loops is at a place.
std::map<Place, std::size_t> by_place(const OptimisedCode& code) {
  std::map<Place, std::size_t> found;
  for (std::size_t i = 0; i < code.loops().size(); ++i) {
    const CodePlace& loop = code.loops()[i].loop;
    found.emplace(Place{loop.function, loop.module_offset}, i);
  }
  return found;
}

}  // namespace

void LoopEntries::begin(const BaselineCode& code, std::uint32_t imported_functions, std::size_t defined_functions) {
  code_ = &code;
  imported_functions_ = imported_functions;
  first_.assign(defined_functions + 1, 0);
  compilations_.assign(defined_functions, 0);
  for (const LoopHead& head : code.loop_heads) {
    loops_.push_back({.head = head, .is_refused = head.leave == 0});
    ++first_[head.function - imported_functions + 1];
  }
  for (std::size_t i = 1; i < first_.size(); ++i) first_[i] += first_[i - 1];
}

std::span<LoopEntries::Loop> LoopEntries::of(std::uint32_t function) {
  return std::span(loops_).subspan(first_[function], first_[function + 1] - first_[function]);
}

std::span<const LoopEntries::Loop> LoopEntries::of(std::uint32_t function) const {
  return std::span(loops_).subspan(first_[function], first_[function + 1] - first_[function]);
}

LoopEntries::Loop& LoopEntries::find(const CodePlace& place) {
  const std::span<Loop> loops = of(place.function - imported_functions_);
  return *std::lower_bound(loops.begin(), loops.end(), place.module_offset,
                           [](const Loop& loop, std::uint32_t wanted) { return loop.head.module_offset < wanted; });
}

// Relaxed: a count, which orders nothing. It wraps around.
std::uint32_t LoopEntries::turns(const Loop& loop) {
  return 0U - static_cast<std::uint32_t>(std::atomic_ref(*loop.head.counter).load(std::memory_order_relaxed));
}

void LoopEntries::forget_turns(std::uint32_t function) {
  for (Loop& loop : of(function)) {
    std::atomic_ref(*loop.head.counter).store(0, std::memory_order_relaxed);  // likewise
    loop.seen = 0;
  }
}

LoopEntries::Turns LoopEntries::look(std::uint32_t function) {
  Turns sum;
  for (Loop& loop : of(function)) {
    const std::uint32_t now = turns(loop);
    sum.moves = sum.moves || now != std::exchange(loop.seen, now);
    sum.all += now;
    if (!loop.has_entry) sum.most = std::max(sum.most, now);
  }
  return sum;
}

void LoopEntries::want(std::uint32_t function, std::uint64_t turns, std::vector<Wanted>& loops) const {
  for (const Loop& loop : of(function)) {
    const std::uint32_t now = LoopEntries::turns(loop);
    if (loop.is_refused || (now < turns && !loop.has_entry)) continue;
    loops.push_back({now, {loop.head.function, loop.head.module_offset}});
  }
}

void LoopEntries::refused(std::span<const CodePlace> wanted, const OptimisedCode& made) {
  const std::map<Place, std::size_t> entries = by_place(made);
  for (const CodePlace& place : wanted) {
    if (!entries.contains({place.function, place.module_offset})) find(place).is_refused = true;
  }
}

void LoopEntries::add_stubs(const OptimisedCode& code, std::vector<baseline::OptimisedEntry>& stubs) {
  for (const OptimisedLoop& made : code.loops()) {
    stubs.push_back({.entry = made.entry, .thunk = find(made.loop).head.leave});
  }
}

void LoopEntries::lead(PatchBatch& batch, std::deque<StaticSwitch>& keys, const OptimisedCode& code,
                       std::span<const std::uint8_t* const> stubs) const {
  const std::map<Place, std::size_t> entries = by_place(code);
  for (const OptimisedFunction& made : code.functions()) {
    const std::uint32_t function = made.function - imported_functions_;
    const bool counts = compilations_[function] + 1 < most_compilations;
    for (const Loop& loop : of(function)) {
      const auto entry = entries.find(place_of(loop.head));
      const std::uint8_t* const target = entry != entries.end()       ? stubs[entry->second]
                                         : counts && !loop.is_refused ? at(loop.head.count)
                                                                      : at(loop.head.resume);
      batch.retarget(keys[function], at(loop.head.site), optimised, target);
    }
  }
}

void LoopEntries::installed(const OptimisedCode& code) {
  const std::map<Place, std::size_t> entries = by_place(code);
  for (const OptimisedFunction& made : code.functions()) {
    const std::uint32_t function = made.function - imported_functions_;
    ++compilations_[function];
    forget_turns(function);
    for (Loop& loop : of(function)) loop.has_entry = entries.contains(place_of(loop.head));
  }
}

void LoopEntries::stop_counting(PatchBatch& batch, StaticSwitch& key, std::uint32_t function) {
  compilations_[function] = most_compilations;
  for (const Loop& loop : of(function)) {
    if (!loop.has_entry) batch.retarget(key, at(loop.head.site), optimised, at(loop.head.resume));
  }
  forget_turns(function);
}

void LoopEntries::reverted(std::uint32_t function) {
  compilations_[function] = 0;
  forget_turns(function);
  for (Loop& loop : of(function)) loop.has_entry = false;
}

std::size_t LoopEntries::entered() const {
  return static_cast<std::size_t>(
      std::count_if(loops_.begin(), loops_.end(), [](const Loop& loop) { return loop.has_entry; }));
}

}  // namespace shunt::wasm
