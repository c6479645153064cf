// x86-64: which components are saved, and how much room they take.
#include <cpuid.h>

#include <algorithm>

#include "shunt/vector_state.h"

extern "C" {
[[gnu::visibility("hidden")]] std::uint64_t shunt_call_keeping_vectors(std::uint64_t (*function)(const void*),
                                                                       const void* argument);
// Read by vector_state_x86_64.S. Mask 0: FXSAVE.
[[gnu::visibility("hidden")]] std::uint32_t shunt_xsave_mask = 0;
[[gnu::visibility("hidden")]] std::uint32_t shunt_xsave_size = 512;
}

namespace shunt {
namespace {

constexpr std::uint32_t saved_components = 0xE7;  // x87, SSE, AVX, and the three of AVX-512
constexpr std::uint32_t header_end = 576;         // legacy area and header (Intel SDM vol. 1, 13.4)

// The components that the system has enabled (XCR0).
std::uint32_t enabled_components() noexcept {
  std::uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

bool measure() noexcept {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned osxsave = 1U << 27;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & osxsave) == 0) return false;
  const std::uint32_t mask = saved_components & enabled_components();
  std::uint32_t size = header_end;
  for (unsigned component = 2; component < 32; ++component) {
    if ((mask >> component & 1) == 0) continue;
    __cpuid_count(0xD, component, a, b, c, d);  // a: bytes, b: offset in the standard format
    size = std::max(size, b + a);
  }
  shunt_xsave_size = size;
  shunt_xsave_mask = mask;
  return true;
}

}  // namespace

CallKeepingVectors call_keeping_vectors() noexcept {
  static const bool xsave = measure();
  (void)xsave;
  return &shunt_call_keeping_vectors;
}

}  // namespace shunt
