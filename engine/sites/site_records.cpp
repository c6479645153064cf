#include "engine/sites/site_records.h"

#include <algorithm>
#include <iterator>
#include <new>
#include <numeric>
#include <utility>

namespace shunt::detail {

void SiteRecords::reserve(std::size_t more) {
  if (words_.size() + more * stride_ <= words_.capacity()) return;
  if (removed_ > slots() / 2) sort();  // rather than grow around what is removed
  const std::size_t needed = words_.size() + more * stride_;
  if (needed > words_.capacity())
    words_.reserve(needed + words_.size() / 8);  // sparing: records are the engine's main metadata
}

void SiteRecords::append(std::uint32_t offset, SiteForm form, std::span<const std::uint32_t> targets) noexcept {
  const bool in_order = sorted_ == slots() && (sorted_ == 0 || offset_of(sorted_ - 1) <= offset);
  std::uint32_t first[2];
  pack(first, offset, form, targets[0]);
  forms_ |= 1U << code(first);
  words_.insert(words_.end(), std::begin(first), std::end(first));
  words_.insert(words_.end(), targets.begin() + 1, targets.end());
  if (in_order) sorted_ = slots();
}

void SiteRecords::sort() {
  if (sorted_ == slots() && removed_ <= slots() / 2) return;
  std::vector<std::uint32_t> tail(slots() - sorted_);
  std::iota(tail.begin(), tail.end(), static_cast<std::uint32_t>(sorted_));
  std::sort(tail.begin(), tail.end(), [this](std::uint32_t a, std::uint32_t b) { return offset_of(a) < offset_of(b); });

  std::vector<std::uint32_t> merged;
  merged.reserve(size() * stride_);
  const auto take = [&](std::size_t slot) {
    const std::uint32_t* record = &words_[slot * stride_];
    if (live(slot)) merged.insert(merged.end(), record, record + stride_);
  };
  std::size_t head = 0;
  for (std::uint32_t slot : tail) {
    while (head < sorted_ && offset_of(head) <= offset_of(slot)) take(head++);
    take(slot);
  }
  while (head < sorted_) take(head++);

  words_ = std::move(merged);
  removed_ = 0;
  sorted_ = slots();
}

bool SiteRecords::try_sort() noexcept {
  try {
    sort();
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

std::size_t SiteRecords::lower_bound(std::uint32_t offset) const noexcept {
  std::size_t low = 0;
  std::size_t high = sorted_;
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    if (offset_of(middle) < offset) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

std::size_t SiteRecords::find(std::uint32_t offset) const noexcept {
  std::size_t found = none;
  for_each_slot_in(offset, offset + 1, [&](std::size_t slot) { found = slot; });
  return found;
}

std::size_t SiteRecords::remove(std::uint32_t begin, std::uint32_t end) noexcept {
  constexpr std::size_t long_tail = 1024;
  if (slots() - sorted_ > long_tail) try_sort();  // so that many removals do not walk it again and again
  std::size_t count = 0;
  for_each_slot_in(begin, end, [&](std::size_t slot) {
    words_[slot * stride_ + 1] = removed_mark;
    ++count;
  });
  removed_ += count;
  return count;
}

}  // namespace shunt::detail
