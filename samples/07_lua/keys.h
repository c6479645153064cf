// Switches for Lua scripts: the module `shunt`, by which scripts create, test and flip keys.
//
//   local verbose = shunt.key("verbose")       creates a key that is off, or finds it; gives its test, a function
//   if verbose() then ... end                  asks: Lua calls it, it jumps directly to "return true" or "return false"
//   shunt.set("verbose", true)                 flips it; when that returns, nobody who asks gets the old answer
//   shunt.set { verbose = true, hooks = false }    flips several in one batch, all or nothing
#pragma once

#include <lua.hpp>

#include "shunt/static_key.h"

namespace lua_sample {

// Pushes the module. All states of the process, on all threads, share its keys. For lua_cpcall-like use: luaL_requiref.
int open_shunt(lua_State* L);

// Gives scripts a key that guards the host's own code, by its name.
void offer(shunt::StaticKey& key);

}  // namespace lua_sample
