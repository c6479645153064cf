// x86-64: what can only run on an x86-64 host. Included by arch/backend.h alone.
#pragma once

#include <cstdint>

#include "arch/site.h"
#include "arch/x86_64/cache.h"

namespace shunt::arch::x86_64 {

// The executing core's own cache traits.
[[nodiscard]] inline CacheTraits host_cache_traits() noexcept {
  return cache_traits;
}

// Makes the calling core discard what it fetched or decoded ahead. CPUID is serialising on every x86-64 (AMD64 APM vol.
// 2, 7.6.4; Intel SDM vol. 3A, 9.3 "Serializing Instructions"); a hypervisor may intercept it, which costs
// microseconds.
inline void serialise_this_core() noexcept {
  std::uint32_t a = 0, b, c = 0, d;
  asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d) : : "memory");
}

// A return address as a frame holds it: nothing signs it.
[[nodiscard]] inline const void* plain_return_address(const void* address) noexcept {
  return address;
}

// Maintenance operations of cache.h on real caches: x86-64 has none.
struct HostCacheOperations {
  static void clean_data_line(const void*) noexcept {}
  static void invalidate_instruction_line(const void*) noexcept {}
  static void data_barrier() noexcept {}
  static void instruction_barrier() noexcept {}
};

}  // namespace shunt::arch::x86_64
