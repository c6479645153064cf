#include "engine/memory/code_memory.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "engine/patch/mutant.h"

namespace shunt::detail {
namespace {

constexpr std::size_t growth_step =
    64 * 1024;  // fresh code is exposed, and filled with traps, in steps of this many bytes

constexpr std::size_t staging_alignment = 64;  // as the place itself is aligned, so that generators may rely on either

}  // namespace

CodeMemory::CodeMemory(DualMapping mapping, TrapFill trap_fill)
    : mapping_(std::move(mapping)), fill_(trap_fill), space_(static_cast<std::uint32_t>(mapping_.size() - tail_guard)) {
  fill_traps(0, mapping_.exposed());
}

Error made_before_clone() {
  return make_error(
      ErrorCode::Unsupported,
      "this process was made by a raw clone(2) or _Fork(), and shares its code memory with its parent: it "
      "can run published code and call exec, but neither publish nor patch; use fork()");
}

void CodeMemory::keep_room(std::uint32_t length) {
  const std::lock_guard hold(lock_);
  space_.keep_room(length);
}

void CodeMemory::Freed::operator()(std::uint8_t* memory) const noexcept {
  std::free(memory);
}

Result<CodeMemory::Place> CodeMemory::allocate(std::size_t size, std::optional<CodeArena::Window> window) {
  const std::lock_guard hold(lock_);
  std::optional<std::uint32_t> offset;
  try {
    const auto bytes = static_cast<std::uint32_t>(size);
    if (size < mapping_.size()) offset = window ? space_.allocate(bytes, *window) : space_.allocate(bytes);
    if (offset) {
      const std::size_t rounded = (size + staging_alignment - 1) / staging_alignment * staging_alignment;
      Staging staging{{}, static_cast<std::uint32_t>(size)};
      staging.bytes.reset(static_cast<std::uint8_t*>(std::aligned_alloc(staging_alignment, rounded)));
      if (staging.bytes == nullptr) throw std::bad_alloc();
      return Place{*offset, staged_.emplace(*offset, std::move(staging)).first->second.bytes.get()};
    }
  } catch (const std::bad_alloc&) {
    if (offset) space_.free(*offset, static_cast<std::uint32_t>(size));
    return make_error(ErrorCode::OutOfMemory, "no heap memory to write " + std::to_string(size) +
                                                  " bytes of new code to, or to keep account of");
  }
  if (window) {
    return make_error(ErrorCode::TargetOutOfRange, "code memory: no room for " + std::to_string(size) +
                                                       " bytes between offsets " + std::to_string(window->begin) +
                                                       " and " + std::to_string(window->end));
  }
  return make_error(ErrorCode::OutOfMemory, "code memory: no room for " + std::to_string(size) + " bytes (" +
                                                std::to_string(space_.free_bytes()) + " of " +
                                                std::to_string(mapping_.size()) +
                                                " free); enlarge EngineOptions::code_reservation");
}

bool CodeMemory::is_staged(const Place& place, std::size_t size) const {
  const std::lock_guard hold(lock_);
  const auto staged = staged_.find(place.offset);
  return staged != staged_.end() && staged->second.bytes.get() == place.staging && staged->second.size == size;
}

Result<bool> CodeMemory::fill(std::uint32_t offset) {
  const std::lock_guard hold(lock_);
  if (shared() && !mutated(Mutant::KeepSharing)) return false;
  const auto staged = staged_.find(offset);
  const std::uint32_t size = staged->second.size;
  const std::uint32_t end = offset + CodeArena::footprint(size);
  if (Status status = grow(end); !status) return std::move(status).error();
  // From a multiple of 4, as arm64 demands; the code's own last bytes come after.
  fill_traps((offset + size) & ~std::size_t{3}, end);
  std::memcpy(mapping_.rw() + offset, staged->second.bytes.get(), size);
  staged_.erase(staged);
  return true;
}

// Exposes the RX view up to `end`; fresh memory is filled with traps before it can be executed.
Status CodeMemory::grow(std::uint32_t end) {
  const std::size_t old_end = mapping_.exposed();
  if (end <= old_end) return Ok{};
  const std::size_t new_end = std::min((end + growth_step - 1) / growth_step * growth_step, mapping_.size());
  if (Status status = mapping_.take_memory(old_end, new_end); !status) return status;
  fill_traps(old_end, new_end);
  return mapping_.expose(new_end);
}

std::uint32_t CodeMemory::free(std::uint32_t offset, std::size_t size) noexcept {
  if (in_foreign_child()) return 0;
  const std::lock_guard hold(lock_);
  std::uint32_t filled = 0;
  if (staged_.erase(offset) == 0 && !shared()) {
    filled = CodeArena::footprint(static_cast<std::uint32_t>(size));
    fill_traps(offset, std::size_t{offset} + filled);
  }
  space_.free(offset, static_cast<std::uint32_t>(size));
  return filled;
}

Status CodeMemory::make_own(const std::function<void(const CodeViews& fresh, std::uint32_t size)>& maintain) {
  const std::lock_guard hold(lock_);
  return mapping_.make_own([&](const CodeViews& fresh) {
    const auto size = static_cast<std::uint32_t>(mapping_.exposed());
    if (!mutated(Mutant::KeepFreedCode)) {
      space_.for_each_free([&](std::uint32_t begin, std::uint32_t end) {
        if (begin < size) fill_({fresh.rw + begin, std::min(end, size) - begin});
      });
    }
    maintain(fresh, size);
  });
}

std::uint64_t CodeMemory::free_bytes() const {
  const std::lock_guard hold(lock_);
  return space_.free_bytes();
}

// Whole words, as every caller's are: so what is filled can be copied behind itself, which is the quick way for the
// megabytes that are exposed at once when code is published far up in the reservation.
void CodeMemory::fill_traps(std::size_t begin, std::size_t end) noexcept {
  if (begin >= end) return;
  std::uint8_t* const at = mapping_.rw() + begin;
  const std::size_t size = end - begin;
  std::size_t filled = std::min<std::size_t>(size, 4096);
  fill_({at, filled});
  while (filled < size) {
    const std::size_t more = std::min(filled, size - filled);
    std::memcpy(at + filled, at, more);
    filled += more;
  }
}

}  // namespace shunt::detail
