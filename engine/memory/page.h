// The system's page.
#pragma once

#include <unistd.h>

#include <cstddef>

namespace shunt::detail {

// Bytes. Thread-safe.
inline std::size_t page_size() noexcept {
  static const auto size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

inline std::size_t round_up_to_page(std::size_t value) noexcept {
  return (value + page_size() - 1) / page_size() * page_size();
}

}  // namespace shunt::detail
