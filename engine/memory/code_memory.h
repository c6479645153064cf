// Code memory of one engine: a dual mapping, an arena over it, and traps in whatever is free.
//
// New code is written to staging memory, which is private to the process, and copied to its place when it is published.
// So code memory itself is written by the engine alone, under its locks: nobody holds a pointer into the RW alias.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <unordered_map>

#include "engine/memory/code_arena.h"
#include "engine/memory/code_space.h"
#include "engine/memory/dual_mapping.h"
#include "shunt/error.h"

namespace shunt::detail {

// What an operation that would write code gives in a child that was not made by fork().
Error made_before_clone();

using TrapFill = void (*)(std::span<std::uint8_t> code);

// Thread-safe.
class CodeMemory {
 public:
  static constexpr std::size_t max_reservation = std::size_t{1}
                                                 << 31;  // offsets have 31 bits (engine/sites/site_records.h)

  // The end of the reservation stays unused, so many bytes: a check may read a whole word around a site, and the
  // highest offset marks removed records.
  static constexpr std::size_t tail_guard = 64;

  CodeMemory(DualMapping mapping, TrapFill trap_fill);

  [[nodiscard]] const std::uint8_t* rx() const noexcept { return mapping_.rx(); }
  [[nodiscard]] std::uint8_t* rw() const noexcept { return mapping_.rw(); }
  [[nodiscard]] std::size_t size() const noexcept { return mapping_.size(); }
  [[nodiscard]] Backing backing() const noexcept { return mapping_.backing(); }
  [[nodiscard]] bool in_foreign_child() const noexcept { return mapping_.in_foreign_child(); }

  // Keeps room for what has to lie in a window, in each whole stretch of `length` bytes, a multiple of
  // CodeSpace::kept_length. Before anything is allocated. May throw std::bad_alloc.
  void keep_room(std::uint32_t length);

  // A place for `size` bytes, and staging memory to write them to, aligned to 64. Errors: OutOfMemory; TargetOutOfRange
  // if it has to lie in a window, and there is no room in that.
  struct Place {
    std::uint32_t offset;
    std::uint8_t* staging;
  };
  Result<Place> allocate(std::size_t size, std::optional<CodeArena::Window> window = {});

  // Whether allocate() gave this place, and it was neither filled nor freed since.
  [[nodiscard]] bool is_staged(const Place& place, std::size_t size) const;

  // Copies the staging memory to its place, and ends it; what follows the code up to the next allocation is traps.
  // False, and nothing is done, if the memory object is shared. Precondition: is_staged(). Errors:
  // CodeMemoryUnavailable.
  Result<bool> fill(std::uint32_t offset);

  // Fills with traps and frees, or, if the place was not filled yet, ends its staging memory. No thread may be in the
  // code. While the memory object is shared, nothing is written: the traps come with the object of one's own.
  // Returns how many bytes, from `offset` on, were filled: whoever frees has them to maintain, with no lock of this
  // class held.
  [[nodiscard]] std::uint32_t free(std::uint32_t offset, std::size_t size) noexcept;

  [[nodiscard]] std::uint64_t free_bytes() const;

  // See DualMapping. Besides the lock, the engine's commit lock must be held, because commits write as well.
  void after_fork(ForkSide side) noexcept { mapping_.after_fork(side); }  // the lock is held
  [[nodiscard]] bool shared() const noexcept { return mapping_.shared(); }
  // `maintain` is told of all code, [0, size) of the views, before anybody can execute it.
  Status make_own(const std::function<void(const CodeViews& fresh, std::uint32_t size)>& maintain);

  // Held across fork(), so that the child finds the arena whole.
  [[nodiscard]] std::mutex& lock() noexcept { return lock_; }

 private:
  struct Freed {
    void operator()(std::uint8_t* memory) const noexcept;
  };
  struct Staging {
    std::unique_ptr<std::uint8_t, Freed> bytes;
    std::uint32_t size;
  };
  Status grow(std::uint32_t end);
  void fill_traps(std::size_t begin, std::size_t end) noexcept;

  DualMapping mapping_;
  TrapFill fill_;
  // Protects everything below, the mapping's exposed part, and the bytes of code that is being filled or freed. Leaf:
  // nothing is called with it held.
  mutable std::mutex lock_;
  CodeSpace space_;
  std::unordered_map<std::uint32_t, Staging> staged_;  // by offset: allocated, not filled yet
};

}  // namespace shunt::detail
