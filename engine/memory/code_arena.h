// Which parts of a reservation are free: offsets only, no memory is touched.
//
// Best fit over free extents that are kept by address (to join neighbours) and by size (to find one). Each operation
// takes O(log free extents), so one module of many megabytes and thousands of 16-byte stubs live together.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace shunt::detail {

// Not thread-safe.
class CodeArena {
 public:
  static constexpr std::uint32_t granule = 16;         // every extent begins and ends at a multiple of this
  static constexpr std::uint32_t wide_alignment = 64;  // of allocations above `small_limit`
  static constexpr std::uint32_t small_limit = 64;     // allocations up to this size are packed at `granule`

  explicit CodeArena(std::uint32_t size);  // a multiple of `granule`

  // What `size` bytes occupy. Precondition: size <= 2^32 - granule.
  [[nodiscard]] static constexpr std::uint32_t footprint(std::uint32_t size) noexcept {
    return size == 0 ? granule : (size + granule - 1) / granule * granule;
  }

  // A part of the reservation: [begin, end).
  struct Window {
    std::uint32_t begin, end;
  };

  // The offset of `footprint(size)` free bytes. Empty if no free extent fits. May throw std::bad_alloc; nothing has
  // changed then.
  [[nodiscard]] std::optional<std::uint32_t> allocate(std::uint32_t size);

  // The same within `window`, at the lowest place that there is. Takes O(free extents of the window).
  [[nodiscard]] std::optional<std::uint32_t> allocate(std::uint32_t size, Window window);

  // Gives back what allocate(size) returned. If the bookkeeping itself finds no memory, the extent stays unused for
  // good.
  void free(std::uint32_t offset, std::uint32_t size) noexcept;

  // Calls visit(begin, end) for each free extent, in order.
  template <class Visit>
  void for_each_free(Visit&& visit) const {
    for (const auto& [begin, end] : by_offset_) visit(begin, end);
  }

  [[nodiscard]] std::uint64_t free_bytes() const noexcept { return free_bytes_; }
  [[nodiscard]] std::size_t free_extents() const noexcept { return by_offset_.size(); }

 private:
  using BySize = std::set<std::pair<std::uint32_t, std::uint32_t>>;  // (length, offset)
  void insert(std::uint32_t begin, std::uint32_t end);
  void carve(BySize::iterator extent, std::uint32_t begin, std::uint32_t length);

  std::map<std::uint32_t, std::uint32_t> by_offset_;  // begin -> end
  BySize by_size_;
  std::uint64_t free_bytes_ = 0;
};

}  // namespace shunt::detail
