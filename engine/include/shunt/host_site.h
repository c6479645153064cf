// Host sites: static branches in the embedder's own C++.
//
//   shunt::StaticKey tracing{"tracing"};
//
//   if (SHUNT_UNLIKELY(tracing)) trace(...);   // one instruction while `tracing` is off: no load, no taken branch
//
// The condition is an instruction that Engine::process() rewrites when the key is flipped; the key itself is not read.
// Works in programs and shared libraries, at every level of optimisation, with link-time optimisation, in templates and
// inline functions. Nothing has to be set up, and no flag is needed: the linker gathers the sites of a module (the
// program, or a shared library) in a table, and the module announces it when it is loaded. Costs, limits and what
// happens to the module's text: docs/host-sites.md.
//
// `key` names a StaticKey (or StaticKeyOn) of static storage duration: of any linkage and visibility, a member of a
// class, an element of an array. It need not be defined where it is used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "shunt/api.h"
#include "shunt/arch/host.h"
#include "shunt/static_key.h"

// A boolean, as __builtin_expect() gives it: whether `key` is on. The code for the likely answer follows the site.
#define SHUNT_UNLIKELY(key) __builtin_expect(::shunt::detail::host_site<key, false>(), false)
#define SHUNT_LIKELY(key) __builtin_expect(::shunt::detail::host_site<key, true>(), true)

namespace shunt::detail {

// A record of a module's table, as shunt/arch/host_record.h emits it. The engine rewrites it in place when it takes the
// module over (engine/sites/host_modules.h).
struct HostSite {
  std::int32_t code;
  std::int32_t target;
  std::int64_t key;
};
static_assert(sizeof(HostSite) == 16);

inline constexpr int host_site_inverted = 1;  // the key's state 0 branches, state 1 falls through (SHUNT_LIKELY)
inline constexpr int host_site_on = 2;        // emitted for a key that begins in state 1

// A module that has host sites: one object in each, zero-initialised but for the table's ends.
struct HostModule {
  HostSite* begin;
  HostSite* end;

  // The engine's, set when the module is added.
  HostModule* next = nullptr;
  const std::uint8_t* text = nullptr;  // its executable segments, from the first to the last
  std::size_t text_size = 0;           // 0: not found, or not readable
  const char* path = nullptr;          // empty: the program
  bool added = false;
  bool rewritten = false;  // the table is in the engine's form
};

// When a module is loaded, before its other constructors: the sites of keys that are on are switched on. When it is
// unloaded, after its other destructors: its sites are forgotten. Thread-safe; block (the commit lock). Nothing happens
// if the module is added, or not added, already. If Engine::process() cannot be made, the sites stay as they were
// emitted, and the first use of it reports why.
SHUNT_API void add_host_module(HostModule& module) noexcept;
SHUNT_API void remove_host_module(HostModule& module) noexcept;

// The ends of the module's table, made by the linker; weak, because a module may end up with no site at all.
extern "C" {
[[gnu::weak, gnu::visibility("hidden")]] extern HostSite __start_shunt_sites[];  // NOLINT(bugprone-reserved-identifier)
[[gnu::weak, gnu::visibility("hidden")]] extern HostSite __stop_shunt_sites[];   // NOLINT(bugprone-reserved-identifier)
}

// Hidden, so that each module has its own, and only one however many of its files include this. Addresses of symbols
// that may be missing stand in data: position-independent code cannot compute them.
[[gnu::visibility("hidden")]] inline constinit HostModule host_module{__start_shunt_sites, __stop_shunt_sites};

// Once for each file that includes this; 101 is the first priority that is not reserved.
[[gnu::constructor(101), gnu::used, gnu::visibility("hidden")]] inline void add_this_host_module() noexcept {
  add_host_module(host_module);
}
[[gnu::destructor(101), gnu::used, gnu::visibility("hidden")]] inline void remove_this_host_module() noexcept {
  remove_host_module(host_module);
}

// A pointer to the key whose own address is a constant of the module, which that of a key with default visibility is
// not. One in each module for each key.
template <auto& key>
struct HostKey {
  using Key = std::remove_reference_t<decltype(key)>;
  static_assert(std::is_base_of_v<StaticKey, Key>, "SHUNT_LIKELY and SHUNT_UNLIKELY ask for a StaticKey");
  [[gnu::visibility("hidden")]] static inline KeyBase* const pointer = &key;
};

template <auto& key, bool likely>
[[gnu::always_inline]] inline bool host_site() noexcept {
  constexpr bool on = std::is_base_of_v<StaticKeyOn, typename HostKey<key>::Key>;
  constexpr int flags = (likely ? host_site_inverted : 0) | (on ? host_site_on : 0);
  return arch::host::host_branch<&HostKey<key>::pointer, on != likely, flags>() != likely;
}

}  // namespace shunt::detail
