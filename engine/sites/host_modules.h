// Host modules: the program and the shared libraries that have host sites (shunt/host_site.h), and what the engine
// keeps of each.
//
// A module's table of sites is used where it stands, 16 bytes a site and no copy. When the engine takes the module
// over, it turns the table from what assembly could emit into what it needs, and sorts it:
//
//            as emitted                            in the engine's form
//   word 0   distance to the site                  as in SiteRecords: the site's offset from the text's beginning, form
//   word 1   distance to the target                the target's offset, form
//   word 2,3 distance to a pointer to the key,     address of the key, flags in bits 2:0; 0: the key has ended
//            flags in bits 2:0
//
// Sorted by words 2,3 and then by offset, the sites of one key that are emitted alike stand in one row: a run. A run is
// one SiteGroup of its key.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "arch/site.h"
#include "engine/memory/dual_mapping.h"
#include "engine/memory/region.h"
#include "shunt/engine.h"
#include "shunt/error.h"
#include "shunt/host_site.h"

namespace shunt::detail {

struct KeySites;

// Part of a module's table: the sites of one key that begin in the same state and have the same sense.
struct HostRun {
  std::uint32_t first, count;
  bool adopted;  // its key has a group of it
};

// A module that the engine has taken over. Protected by the engine's commit lock.
struct AdoptedModule {
  HostModule* module = nullptr;
  Region region;                    // RW alias null: the text stands where the loader put it, and must be moved first
  std::optional<DualMapping> text;  // what the text's pages with sites were moved to
  std::vector<HostRun> runs;
  std::optional<Error> problem;  // why some run could not be adopted
};

// Sites that were rewritten while a module was adopted.
struct HostRewrite {
  std::vector<KeySites*> keys;
  std::vector<arch::CodeRange> written;
};

// The modules that are loaded, of which Engine::process() takes over those that have sites. A module may be added
// before that engine is made: it waits.
struct HostModules {
  static void add(HostModule& module) noexcept;
  static void remove(HostModule& module) noexcept;

  // Engine::process() was made: it takes over what waits, and what comes. From now on the list's lock is held across
  // fork(). May throw std::bad_alloc; nothing has changed then.
  static void serve(Engine& engine);

  // The modules that are loaded now and have sites. May throw std::bad_alloc.
  static std::vector<HostModule*> all();

  // The key of a record, whichever form its table is in; null if it has ended. Flags: host_site_inverted, host_site_on.
  static KeyBase* key_of(const HostModule& module, const HostSite& site) noexcept;
  static int flags_of(const HostModule& module, const HostSite& site) noexcept;

  // The state that a site with these flags was emitted in.
  static constexpr unsigned state_of(int flags) noexcept { return (flags & host_site_on) != 0 ? 1 : 0; }

  // Whether a loaded module has sites of the key.
  static bool has_sites(const KeyBase& key) noexcept {
    return key.has_host_sites_.load(std::memory_order_relaxed);  // see static_key.h
  }

  // Turns a module's table into the engine's form, and sorts it. Errors: Unsupported (names the module and why);
  // nothing has changed then. May throw std::bad_alloc, likewise.
  static Status rewrite(HostModule& module, SiteForm form);

  // For messages: the module's path, or "the program".
  static std::string name_of(const HostModule& module);
};

}  // namespace shunt::detail
