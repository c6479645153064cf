// Which parts of a reservation are free, where some pieces have to lie near others.
//
// Room is kept at the end of every stretch of the reservation for pieces that have to lie in a window (veneers), so
// that code which is packed from end to end does not keep them out. Other pieces take it only where nothing else has
// room for them, and give it back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "engine/memory/code_arena.h"

namespace shunt::detail {

// Not thread-safe.
class CodeSpace {
 public:
  static constexpr std::uint32_t kept_length = 64 * 1024;  // in each stretch, in bytes

  explicit CodeSpace(std::uint32_t size) : size_(size), arena_(size) {}  // a multiple of CodeArena::granule

  // Keeps room in each whole stretch of `length` bytes. Precondition: nothing is allocated yet; a multiple of
  // kept_length. May throw std::bad_alloc.
  void keep_room(std::uint32_t length);

  // As those of CodeArena. The second one looks into the kept room first.
  [[nodiscard]] std::optional<std::uint32_t> allocate(std::uint32_t size);
  [[nodiscard]] std::optional<std::uint32_t> allocate(std::uint32_t size, CodeArena::Window window);
  void free(std::uint32_t offset, std::uint32_t size) noexcept;

  template <class Visit>
  void for_each_free(Visit&& visit) const {
    arena_.for_each_free(visit);
    kept_.for_each_free(visit);
  }

  [[nodiscard]] std::uint64_t free_bytes() const noexcept { return arena_.free_bytes() + kept_.free_bytes(); }

 private:
  [[nodiscard]] CodeArena::Window room(std::size_t stretch) const noexcept {
    const auto end = static_cast<std::uint32_t>((stretch + 1) * stretch_);
    return {end - kept_length, end};
  }
  [[nodiscard]] bool is_kept(std::uint32_t offset) const noexcept;
  [[nodiscard]] bool lend(std::size_t stretch);
  void take_back(std::size_t stretch) noexcept;

  std::uint32_t size_, stretch_ = 0;
  CodeArena arena_;
  CodeArena kept_{0};
  std::vector<bool> lent_;  // by stretch: its room is the arena's
};

}  // namespace shunt::detail
