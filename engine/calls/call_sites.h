// The engine's side of a static call, besides its sites.
#pragma once

#include <cstddef>
#include <cstdint>

namespace shunt::detail {

// Protected by the engine's commit lock.
struct CallSites {
  static constexpr std::uint32_t none = 0xFFFFFFFF;

  const void* function = nullptr;   // that the sites' bytes call; null: empty
  std::uint32_t target = none;      // where they lead for that: the function, or its veneer
  std::uint32_t trampoline = none;  // made with the first batch that sets the call
  std::size_t place = 0;            // in the calls of the plan that sets it: the last one that does
};

}  // namespace shunt::detail
