// A region of code that holds patch sites: the two mappings of the same pages, and a number. The engine's code memory
// is region 0; the text of each host module that has sites is another. Within a region, code is named by 32-bit
// offsets.
#pragma once

#include <cstddef>
#include <cstdint>

namespace shunt::detail {

// The two mappings. Both begin at a multiple of the page size.
struct CodeViews {
  const std::uint8_t* rx = nullptr;
  std::uint8_t* rw = nullptr;
};

// Protected by the engine's commit lock, but for region 0, which never changes.
struct Region {
  CodeViews views;
  std::size_t size = 0;      // bytes
  std::uint32_t number = 0;  // its place in the engine's list of regions

  [[nodiscard]] bool contains(const void* rx_address) const noexcept {
    const auto address = reinterpret_cast<std::uintptr_t>(rx_address);
    const auto base = reinterpret_cast<std::uintptr_t>(views.rx);
    return address >= base && address - base < size;
  }
  // Precondition: contains(rx_address).
  [[nodiscard]] std::uint32_t offset_of(const void* rx_address) const noexcept {
    return static_cast<std::uint32_t>(static_cast<const std::uint8_t*>(rx_address) - views.rx);
  }
};

}  // namespace shunt::detail
