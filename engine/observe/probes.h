// Probes (USDT) at a commit's beginning and end, for perf, bpftrace and SystemTap: provider "shunt".
//
//   commit_begin   generation before it, keys whose sites change, batches
//   commit_end     generation, sites written, mechanism of the core serialisation (a C string), nanoseconds
//
// Both fire in commits that take the lock, under it, also if the core serialisation fails (the mechanism is "none"
// then). A probe is one no-op and a note in the program's file (.note.stapsdt). They are part of the library's own
// text: a tracer finds them by that file, so they are lost in pages that are mapped anew for host sites.
//
// Without <sys/sdt.h> (Debian: systemtap-sdt-dev) the library has none.
#pragma once

#include <cstdint>

#if __has_include(<sys/sdt.h>)
#include <sys/sdt.h>
#define SHUNT_HAS_PROBES 1
#endif

namespace shunt::detail {

inline void probe_commit_begin([[maybe_unused]] std::uint64_t generation, [[maybe_unused]] std::uint64_t keys,
                               [[maybe_unused]] std::uint64_t batches) noexcept {
#ifdef SHUNT_HAS_PROBES
  STAP_PROBE3(shunt, commit_begin, generation, keys, batches);
#endif
}

inline void probe_commit_end([[maybe_unused]] std::uint64_t generation, [[maybe_unused]] std::uint64_t sites,
                             [[maybe_unused]] const char* mechanism, [[maybe_unused]] std::uint64_t ns) noexcept {
#ifdef SHUNT_HAS_PROBES
  STAP_PROBE4(shunt, commit_end, generation, sites, mechanism, ns);
#endif
}

}  // namespace shunt::detail
