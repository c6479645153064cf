#include "engine/memory/code_space.h"

#include <new>

namespace shunt::detail {

void CodeSpace::keep_room(std::uint32_t length) {
  stretch_ = length;
  lent_.assign(size_ / length, true);
  for (std::size_t stretch = 0; stretch < lent_.size(); ++stretch) take_back(stretch);
}

bool CodeSpace::is_kept(std::uint32_t offset) const noexcept {
  if (stretch_ == 0) return false;
  const std::size_t stretch = offset / stretch_;
  return stretch < lent_.size() && !lent_[stretch] && offset >= room(stretch).begin;
}

// The room becomes the arena's, if nothing is in it.
bool CodeSpace::lend(std::size_t stretch) {
  if (lent_[stretch] || !kept_.allocate(kept_length, room(stretch))) return false;
  lent_[stretch] = true;
  arena_.free(room(stretch).begin, kept_length);
  return true;
}

// And back, unless something of the arena is in it.
void CodeSpace::take_back(std::size_t stretch) noexcept {
  try {
    if (!arena_.allocate(kept_length, room(stretch))) return;
  } catch (const std::bad_alloc&) {
    return;  // it stays lent
  }
  lent_[stretch] = false;
  kept_.free(room(stretch).begin, kept_length);
}

std::optional<std::uint32_t> CodeSpace::allocate(std::uint32_t size) {
  if (const auto place = arena_.allocate(size)) return place;
  // The rooms one after the other, until what lies between them has room. Those that did not help go back.
  std::optional<std::uint32_t> place;
  std::vector<std::size_t> borrowed;
  borrowed.reserve(lent_.size());
  for (std::size_t stretch = 0; stretch < lent_.size() && !place; ++stretch) {
    if (!lend(stretch)) continue;
    borrowed.push_back(stretch);
    place = arena_.allocate(size);
  }
  for (const std::size_t stretch : borrowed) take_back(stretch);
  return place;
}

std::optional<std::uint32_t> CodeSpace::allocate(std::uint32_t size, CodeArena::Window window) {
  if (const auto place = kept_.allocate(size, window)) return place;
  return arena_.allocate(size, window);
}

void CodeSpace::free(std::uint32_t offset, std::uint32_t size) noexcept {
  if (is_kept(offset)) return kept_.free(offset, size);
  arena_.free(offset, size);
  if (stretch_ == 0) return;
  const std::size_t end = (std::size_t{offset} + size) / stretch_ + 1;
  for (std::size_t stretch = offset / stretch_; stretch < end && stretch < lent_.size(); ++stretch) {
    if (lent_[stretch]) take_back(stretch);
  }
}

}  // namespace shunt::detail
