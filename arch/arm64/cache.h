// arm64: what makes written code fetchable, as a sequence of steps, and CTR_EL0, which says which of them a core needs.
//
// Caches are not coherent with instruction fetch unless CTR_EL0 says so (Arm ARM DDI 0487, "Synchronization and
// coherency issues between data and instruction accesses", B2.7.4.2, and D24.2.42 "CTR_EL0, Cache Type
// Register"; issue M.a.a). Reading CTR_EL0 and executing the operations is host.h's work.
#pragma once

#include <cstdint>
#include <span>

#include "arch/site.h"

namespace shunt::arch::arm64 {

// CTR_EL0: IminLine [3:0] and DminLine [19:16] are log2 of the smallest line in 4-byte words; IDC [28]: no data clean
// needed; DIC [29]: no instruction invalidation needed.
[[nodiscard]] constexpr CacheTraits parse_ctr(std::uint64_t ctr) noexcept {
  CacheTraits traits;
  traits.instruction_line = std::uint32_t{4} << (ctr & 0xF);
  traits.data_line = std::uint32_t{4} << (ctr >> 16 & 0xF);
  traits.clean_data = (ctr >> 28 & 1) == 0;
  traits.invalidate_instruction = (ctr >> 29 & 1) == 0;
  return traits;
}

// The barriers are needed even by cores that need neither clean nor invalidation.
[[nodiscard]] constexpr bool needs_maintenance(const CacheTraits&) noexcept {
  return true;
}

// Calls visit(region, line) once for each line of `line_size` bytes that the ranges touch. Precondition: ranges sorted.
template <class Visit>
constexpr void for_each_line(std::span<const CodeRange> ranges, std::uint32_t line_size, Visit&& visit) {
  std::uint64_t next = 0;    // lines below are done
  std::uint32_t region = 0;  // of which `next` speaks
  for (const CodeRange& range : ranges) {
    if (range.length == 0) continue;
    if (range.region != region) next = 0;
    region = range.region;
    const std::uint64_t mask = ~(std::uint64_t{line_size} - 1);
    const std::uint64_t first = range.begin & mask;
    const std::uint64_t last = (std::uint64_t{range.begin} + range.length - 1) & mask;
    for (std::uint64_t line = first < next ? next : first; line <= last; line += line_size) {
      visit(region, static_cast<std::uint32_t>(line));
      next = line + line_size;
    }
  }
}

// The steps after all stores of a batch (docs/patching-protocol.md numbers them):
//   2. clean each written line to the point of unification    unless CTR_EL0.IDC
//   3. DSB ISH: the stores and cleans are complete            always
//   4. invalidate each line, by the address it is fetched at  unless CTR_EL0.DIC
//   5. DSB ISH: the invalidations are complete                unless CTR_EL0.DIC
//   6. ISB: this core fetches anew                            always
// `operations` provides clean_data_line(region, offset), data_barrier(), invalidate_instruction_line(region, offset),
// instruction_barrier(). Precondition: ranges sorted.
template <class Operations>
constexpr void maintain(const CacheTraits& traits, std::span<const CodeRange> ranges, Operations&& operations) {
  if (traits.clean_data) {
    for_each_line(ranges, traits.data_line,
                  [&](std::uint32_t region, std::uint32_t line) { operations.clean_data_line(region, line); });
  }
  operations.data_barrier();
  if (traits.invalidate_instruction) {
    for_each_line(ranges, traits.instruction_line, [&](std::uint32_t region, std::uint32_t line) {
      operations.invalidate_instruction_line(region, line);
    });
    operations.data_barrier();
  }
  operations.instruction_barrier();
}

}  // namespace shunt::arch::arm64
