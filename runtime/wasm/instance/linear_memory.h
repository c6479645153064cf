// A linear memory: its whole address range is reserved at once, so that its base never moves and compiled code needs no
// bounds check.
//
//   base                    base + bytes                       base + reservation_bytes
//   | readable, writable    | no access: touching it is a trap |
//
// An address in compiled code is a 32-bit index plus a 32-bit offset plus the access itself, at most 8 GiB + 6 bytes
// above the base.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "runtime/wasm/instance/vm_context.h"
#include "shunt/error.h"
#include "shunt/runtime/module.h"

namespace shunt::wasm {

inline constexpr std::uint64_t wasm_page_bytes = std::uint64_t{1} << 16;

// Not thread-safe: it belongs to a store.
class LinearMemory {
 public:
  static constexpr std::size_t reservation_bytes = (std::size_t{8} << 30) + wasm_page_bytes;

  // Zeroed, `type.limits.min` pages long; never longer than `max_bytes`. Errors: Uninstantiable (the limit does not
  // allow the minimum), OutOfMemory (the system refuses address space or pages).
  static Result<std::unique_ptr<LinearMemory>> create(const runtime::MemoryType& type, std::uint64_t max_bytes);
  ~LinearMemory();
  LinearMemory(const LinearMemory&) = delete;
  LinearMemory& operator=(const LinearMemory&) = delete;

  [[nodiscard]] MemoryView& view() { return view_; }
  [[nodiscard]] std::uint64_t pages() const { return view_.bytes / wasm_page_bytes; }
  // As declared, with the present size for the minimum: what an importer's type is matched against.
  [[nodiscard]] runtime::MemoryType type() const;

  // Whether `length` bytes at `address` are inside. Never overflows.
  [[nodiscard]] bool contains(std::uint64_t address, std::uint64_t length) const {
    return length <= view_.bytes && address <= view_.bytes - length;
  }

  // The number of pages before, or nothing if the memory stayed as it was.
  std::optional<std::uint64_t> grow(std::uint64_t pages);

  // Whether a machine address lies in the reservation. Async-signal-safe.
  [[nodiscard]] bool reserves(std::uintptr_t address) const {
    const auto base = reinterpret_cast<std::uintptr_t>(view_.base);
    return address >= base && address - base < reservation_bytes;
  }

 private:
  LinearMemory(const runtime::MemoryType& type, std::uint64_t max_pages, std::uint8_t* base);

  runtime::MemoryType declared_;
  std::uint64_t max_pages_;
  MemoryView view_;
};

}  // namespace shunt::wasm
