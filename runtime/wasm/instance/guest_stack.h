// The stack that guest code runs on: apart from the host's, so that a guest that recurses without end meets a guard and
// not the host.
//
//   lowest address                                      top
//   | guard_bytes: no access    | usable: grows this way <-- |
#pragma once

#include <cstddef>
#include <cstdint>

#include "shunt/error.h"

namespace shunt::wasm {

// Movable; not thread-safe: it belongs to a store.
class GuestStack {
 public:
  // No frame of compiled code is larger (module/limits.h), so none steps over it.
  static constexpr std::size_t guard_bytes = std::size_t{1} << 20;
  static constexpr std::size_t least_bytes = std::size_t{64} << 10;

  // At least `bytes` usable bytes. Errors: InvalidArgument (less than least_bytes, or beyond the address space),
  // OutOfMemory.
  static Result<GuestStack> create(std::size_t bytes);
  ~GuestStack();
  GuestStack(GuestStack&& other) noexcept;
  GuestStack& operator=(GuestStack&&) = delete;

  [[nodiscard]] std::uint8_t* top() const { return base_ + bytes_; }
  // The lowest byte that may be touched.
  [[nodiscard]] std::uint8_t* limit() const { return base_ + guard_bytes; }

  // Whether a machine address lies in the guard. Async-signal-safe.
  [[nodiscard]] bool guards(std::uintptr_t address) const {
    const auto base = reinterpret_cast<std::uintptr_t>(base_);
    return address >= base && address - base < guard_bytes;
  }

 private:
  GuestStack(std::uint8_t* base, std::size_t bytes) : base_(base), bytes_(bytes) {}

  std::uint8_t* base_;
  std::size_t bytes_;  // guard included
};

}  // namespace shunt::wasm
