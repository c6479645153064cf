// Whether this machine executes what is written to code through the RW alias.
//
// Every processor does, once the caches are maintained. An emulator that translates code before it runs may not: it has
// to find out that the code behind a translation changed, and one that watches for stores by virtual address alone
// (qemu-user before version 8, valgrind without --smc-check=all) never does, whatever maintenance follows. There every
// flip would be lost in silence.
#pragma once

#include "engine/memory/region.h"
#include "engine/patch/patcher.h"

namespace shunt::detail {

// Writes a function into the views' first bytes, runs it, flips its site as a commit does, and runs it again.
// Preconditions: `patcher` is the host's; at least alias_probe_size bytes are exposed, and nobody else knows them. Does
// not block. A microsecond, or a few where serialising a core traps to a hypervisor.
[[nodiscard]] bool executes_alias_writes(const CodeViews& code, Patcher& patcher);

inline constexpr std::uint32_t alias_probe_size = 64;

}  // namespace shunt::detail
