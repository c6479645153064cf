// A library of the host's for scripts, `text`, whose functions have a hook and a check that scripts switch on and off.
//
//   text.words(s)      number of words of s
//   text.checksum(s)   FNV-1a of s, 32 bits
//   text.on_call(f)    from now on f(name, argument) is called before either; nil: no longer
//
// The key `hooks` guards the hook, the key `strict` a check that s is UTF-8; both are host sites in each function.
#pragma once

#include <lua.hpp>

namespace lua_sample {

// Pushes the library, and offers its keys to scripts.
int open_text(lua_State* L);

}  // namespace lua_sample
