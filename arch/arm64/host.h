// arm64: what can only run on an arm64 host. Included by arch/backend.h alone.
#pragma once

#include <cstdint>

#include "arch/arm64/cache.h"
#include "arch/site.h"

namespace shunt::arch::arm64 {

// The executing core's own cache traits. Linux makes CTR_EL0 read the same on all cores (it traps and sanitises where
// they differ).
[[nodiscard]] inline CacheTraits host_cache_traits() noexcept {
  std::uint64_t ctr;
  asm volatile("mrs %0, ctr_el0" : "=r"(ctr));
  return parse_ctr(ctr);
}

// A context synchronisation event on the calling core, after all its earlier loads: an ISB alone does not wait for a
// load that no branch depends on (tests/models/arm64: signal-late.litmus), not even for an acquire.
inline void serialise_this_core() noexcept {
  asm volatile("dsb ishld\n\tisb" : : : "memory");
}

// A return address as it was before PACIASP or PACIBSP signed it. XPACLRI is a hint: a no-op where there is no pointer
// authentication.
[[nodiscard]] inline const void* plain_return_address(const void* address) noexcept {
  register const void* link asm("x30") = address;
  asm("hint #7" : "+r"(link));
  return link;
}

// Maintenance operations on real caches, by address.
struct HostCacheOperations {
  static void clean_data_line(const void* at) noexcept { asm volatile("dc cvau, %0" : : "r"(at) : "memory"); }
  static void invalidate_instruction_line(const void* at) noexcept {
    asm volatile("ic ivau, %0" : : "r"(at) : "memory");
  }
  static void data_barrier() noexcept { asm volatile("dsb ish" : : : "memory"); }
  static void instruction_barrier() noexcept { asm volatile("isb" : : : "memory"); }
};

}  // namespace shunt::arch::arm64
