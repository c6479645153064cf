// A guest's linear memory as WASI functions see it: every access is checked against its size, none can leave it.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

namespace shunt::wasi {

// A view of a memory for the length of one call: growing the memory ends it. Cheap to copy. Addresses need not be
// aligned.
class GuestMemory {
 public:
  explicit GuestMemory(std::span<std::uint8_t> bytes = {}) : bytes_(bytes) {}

  // True if [address, address + length) lies inside. A length of 0 is inside up to and including the end.
  [[nodiscard]] bool contains(std::uint64_t address, std::uint64_t length) const noexcept {
    return address <= bytes_.size() && length <= bytes_.size() - address;
  }

  // The range, or nothing if it is not inside.
  [[nodiscard]] std::optional<std::span<std::uint8_t>> view(std::uint64_t address,
                                                            std::uint64_t length) const noexcept {
    if (!contains(address, length)) return std::nullopt;
    return bytes_.subspan(address, length);
  }

  [[nodiscard]] std::optional<std::string_view> text(std::uint64_t address, std::uint64_t length) const noexcept {
    if (!contains(address, length)) return std::nullopt;
    return std::string_view(reinterpret_cast<const char*>(bytes_.data()) + address, length);
  }

  // Copies a value in or out; false (and nothing copied) if it is not inside.
  template <class T>
  [[nodiscard]] bool load(std::uint64_t address, T& value) const noexcept {
    static_assert(std::is_trivially_copyable_v<T>);
    if (!contains(address, sizeof(T))) return false;
    std::memcpy(&value, bytes_.data() + address, sizeof(T));
    return true;
  }
  template <class T>
  [[nodiscard]] bool store(std::uint64_t address, const T& value) const noexcept {
    static_assert(std::is_trivially_copyable_v<T>);
    if (!contains(address, sizeof(T))) return false;
    std::memcpy(bytes_.data() + address, &value, sizeof(T));
    return true;
  }

 private:
  std::span<std::uint8_t> bytes_;
};

// A place in guest memory that a function returns a T through. It is checked before the function does anything, so that
// no effect is lost because its result could not be written.
template <class T>
class GuestResult {
 public:
  GuestResult(GuestMemory memory, std::uint32_t address) : memory_(memory), address_(address) {}
  [[nodiscard]] bool valid() const noexcept { return memory_.contains(address_, sizeof(T)); }
  // Precondition: valid().
  void set(const T& value) const noexcept { static_cast<void>(memory_.store(address_, value)); }

 private:
  GuestMemory memory_;
  std::uint32_t address_;
};

}  // namespace shunt::wasi
