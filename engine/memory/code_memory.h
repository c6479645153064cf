// Code memory of one engine: a dual mapping, an arena over it, and traps in whatever is free.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>

#include "engine/memory/code_arena.h"
#include "engine/memory/dual_mapping.h"
#include "shunt/error.h"

namespace shunt::detail {

// What an operation that would write code gives in a child made by fork().
Error made_before_fork();

using TrapFill = void (*)(std::span<std::uint8_t> code);

// Thread-safe.
class CodeMemory {
 public:
  static constexpr std::size_t max_reservation = std::size_t{1}
                                                 << 31;  // offsets have 31 bits (engine/sites/site_records.h)

  CodeMemory(DualMapping mapping, TrapFill trap_fill);

  [[nodiscard]] const std::uint8_t* rx() const noexcept { return mapping_.rx(); }
  [[nodiscard]] std::uint8_t* rw() const noexcept { return mapping_.rw(); }
  [[nodiscard]] std::size_t size() const noexcept { return mapping_.size(); }
  [[nodiscard]] bool in_child() const noexcept { return mapping_.in_child(); }

  // Offset of `size` bytes; what follows them up to the next allocation is traps. Errors: OutOfMemory,
  // CodeMemoryUnavailable; Unsupported in a child made by fork().
  Result<std::uint32_t> allocate(std::size_t size);

  // Fills with traps and frees. No thread may be in it. Does nothing in a child made by fork().
  void free(std::uint32_t offset, std::size_t size) noexcept;

  [[nodiscard]] std::uint64_t free_bytes() const;

  // Held across fork(), so that the child finds the arena whole.
  [[nodiscard]] std::mutex& lock() noexcept { return lock_; }

 private:
  Status grow(std::uint32_t begin, std::uint32_t end);
  void fill_traps(std::size_t begin, std::size_t end) noexcept;

  DualMapping mapping_;
  TrapFill fill_;
  mutable std::mutex lock_;  // protects arena_ and the mapping's exposed part; leaf: nothing is called with it held
  CodeArena arena_;
};

}  // namespace shunt::detail
