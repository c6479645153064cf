#include "engine/memory/code_arena.h"

#include <algorithm>
#include <iterator>
#include <new>

namespace shunt::detail {
namespace {

constexpr std::uint32_t align_up(std::uint32_t value, std::uint32_t alignment) noexcept {
  return (value + alignment - 1) / alignment * alignment;
}

}  // namespace

CodeArena::CodeArena(std::uint32_t size) {
  if (size != 0) insert(0, size);
  free_bytes_ = size;
}

void CodeArena::insert(std::uint32_t begin, std::uint32_t end) {
  const auto [position, inserted] = by_offset_.emplace(begin, end);
  (void)inserted;
  try {
    by_size_.emplace(end - begin, begin);
  } catch (...) {
    by_offset_.erase(position);
    throw;
  }
}

// Takes [begin, begin + length) out of a free extent. The nodes of what remains are made before anything is removed.
void CodeArena::carve(BySize::iterator extent, std::uint32_t begin, std::uint32_t length) {
  const std::uint32_t extent_begin = extent->second;
  const std::uint32_t extent_end = extent_begin + extent->first;
  const std::uint32_t end = begin + length;
  if (end < extent_end) insert(end, extent_end);
  auto front = by_offset_.find(extent_begin);
  auto node = by_size_.extract(extent);
  if (extent_begin < begin) {
    front->second = begin;
    node.value() = {begin - extent_begin, extent_begin};
    by_size_.insert(std::move(node));
  } else {
    by_offset_.erase(front);
  }
  free_bytes_ -= length;
}

std::optional<std::uint32_t> CodeArena::allocate(std::uint32_t size) {
  const std::uint32_t length = footprint(size);
  const std::uint32_t alignment = size <= small_limit ? granule : wide_alignment;
  // The best fits may be misplaced for the alignment; try a few, then one that fits wherever it begins.
  constexpr int best_fit_attempts = 8;
  auto candidate = by_size_.lower_bound({length, 0});
  for (int i = 0; i < best_fit_attempts && candidate != by_size_.end(); ++i, ++candidate) {
    const std::uint64_t begin = align_up(candidate->second, alignment);
    if (begin + length <= std::uint64_t{candidate->second} + candidate->first) {
      carve(candidate, static_cast<std::uint32_t>(begin), length);
      return static_cast<std::uint32_t>(begin);
    }
  }
  candidate = by_size_.lower_bound({length + alignment - granule, 0});
  if (candidate == by_size_.end()) return std::nullopt;
  const std::uint32_t begin = align_up(candidate->second, alignment);
  carve(candidate, begin, length);
  return begin;
}

std::optional<std::uint32_t> CodeArena::allocate(std::uint32_t size, Window window) {
  const std::uint32_t length = footprint(size);
  const std::uint32_t alignment = size <= small_limit ? granule : wide_alignment;
  auto extent = by_offset_.upper_bound(window.begin);
  if (extent != by_offset_.begin()) --extent;  // may reach into the window
  for (; extent != by_offset_.end() && extent->first < window.end; ++extent) {
    const auto [extent_begin, extent_end] = *extent;
    const std::uint64_t begin = align_up(std::max(extent_begin, window.begin), alignment);
    if (begin + length > std::min(extent_end, window.end)) continue;
    carve(by_size_.find({extent_end - extent_begin, extent_begin}), static_cast<std::uint32_t>(begin), length);
    return static_cast<std::uint32_t>(begin);
  }
  return std::nullopt;
}

void CodeArena::free(std::uint32_t offset, std::uint32_t size) noexcept {
  std::uint32_t begin = offset;
  std::uint32_t end = offset + footprint(size);
  const auto next = by_offset_.lower_bound(begin);
  const auto previous = next == by_offset_.begin() ? by_offset_.end() : std::prev(next);
  const bool joins_previous = previous != by_offset_.end() && previous->second == begin;
  const bool joins_next = next != by_offset_.end() && next->first == end;
  free_bytes_ += end - begin;
  if (joins_previous) begin = previous->first;
  if (joins_next) end = next->second;

  // A neighbour's nodes are reused, so joining never allocates.
  if (joins_previous) {
    auto node = by_size_.extract({previous->second - previous->first, previous->first});
    if (joins_next) {
      by_size_.erase({next->second - next->first, next->first});
      by_offset_.erase(next);
    }
    previous->second = end;
    node.value() = {end - begin, begin};
    by_size_.insert(std::move(node));
  } else if (joins_next) {
    auto size_node = by_size_.extract({next->second - next->first, next->first});
    auto offset_node = by_offset_.extract(next);
    offset_node.key() = begin;
    size_node.value() = {end - begin, begin};
    by_offset_.insert(std::move(offset_node));
    by_size_.insert(std::move(size_node));
  } else {
    try {
      insert(begin, end);
    } catch (const std::bad_alloc&) {
      free_bytes_ -= end - begin;
    }
  }
}

}  // namespace shunt::detail
