#include "engine/memory/code_memory.h"

#include <algorithm>
#include <new>
#include <optional>
#include <string>
#include <utility>

namespace shunt::detail {
namespace {

constexpr std::size_t growth_step =
    64 * 1024;  // fresh code is exposed, and filled with traps, in steps of this many bytes

// The end of the reservation stays unused: a check may read a whole word around a site, and the highest offset marks
// removed records.
constexpr std::size_t tail_guard = 64;

}  // namespace

CodeMemory::CodeMemory(DualMapping mapping, TrapFill trap_fill)
    : mapping_(std::move(mapping)), fill_(trap_fill), arena_(static_cast<std::uint32_t>(mapping_.size() - tail_guard)) {
  fill_traps(0, mapping_.exposed());
}

Error made_before_fork() {
  return make_error(
      ErrorCode::Unsupported,
      "this engine was made before fork(), and the child shares its code memory with the parent: the child can run "
      "published code, but it needs an engine of its own to publish or patch");
}

Result<std::uint32_t> CodeMemory::allocate(std::size_t size) {
  if (in_child()) return made_before_fork();
  const std::lock_guard hold(lock_);
  std::optional<std::uint32_t> offset;
  try {
    if (size < mapping_.size()) offset = arena_.allocate(static_cast<std::uint32_t>(size));
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::OutOfMemory, "no heap memory for the code arena's bookkeeping");
  }
  if (!offset) {
    return make_error(ErrorCode::OutOfMemory, "code memory: no room for " + std::to_string(size) + " bytes (" +
                                                  std::to_string(arena_.free_bytes()) + " of " +
                                                  std::to_string(mapping_.size()) +
                                                  " free); enlarge EngineOptions::code_reservation");
  }
  const std::uint32_t end = *offset + CodeArena::footprint(static_cast<std::uint32_t>(size));
  if (Status status = grow(*offset, end); !status) {
    arena_.free(*offset, static_cast<std::uint32_t>(size));
    return status.error();
  }
  fill_traps((*offset + size) & ~std::size_t{3},
             end);  // from a multiple of 4, as arm64 demands; the caller has not written yet
  return *offset;
}

// Exposes the RX view up to `end`; fresh memory outside [begin, end) is filled with traps before it can be executed.
Status CodeMemory::grow(std::uint32_t begin, std::uint32_t end) {
  const std::size_t old_end = mapping_.exposed();
  if (end <= old_end) return Ok{};
  const std::size_t new_end = std::min((end + growth_step - 1) / growth_step * growth_step, mapping_.size());
  if (begin > old_end) fill_traps(old_end, begin);
  fill_traps(end, new_end);
  return mapping_.expose(new_end);
}

void CodeMemory::free(std::uint32_t offset, std::size_t size) noexcept {
  if (in_child()) return;
  fill_traps(offset, offset + CodeArena::footprint(static_cast<std::uint32_t>(size)));
  const std::lock_guard hold(lock_);
  arena_.free(offset, static_cast<std::uint32_t>(size));
}

std::uint64_t CodeMemory::free_bytes() const {
  const std::lock_guard hold(lock_);
  return arena_.free_bytes();
}

void CodeMemory::fill_traps(std::size_t begin, std::size_t end) noexcept {
  if (begin < end) fill_({mapping_.rw() + begin, end - begin});
}

}  // namespace shunt::detail
