#include "text.h"

#include <cctype>
#include <cstdint>
#include <string_view>

#include "keys.h"
#include "shunt/host_site.h"

namespace lua_sample {
namespace {

shunt::StaticKey hooks("hooks");
shunt::StaticKey strict("strict");

const char hook_place = 0;  // its address is the place of the hook in Lua's registry: each state has its own

void call_hook(lua_State* L, const char* function) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &hook_place) == LUA_TFUNCTION) {
    lua_pushstring(L, function);
    lua_pushvalue(L, 1);
    lua_call(L, 2, 0);
  } else {
    lua_pop(L, 1);
  }
}

void check_utf8(lua_State* L) {
  lua_getglobal(L, "utf8");
  lua_getfield(L, -1, "len");
  lua_pushvalue(L, 1);
  lua_call(L, 1, 1);
  luaL_argcheck(L, lua_isinteger(L, -1), 1, "not UTF-8");
  lua_pop(L, 2);
}

// What every function begins with: two instructions while both keys are off.
[[gnu::always_inline]] inline std::string_view argument(lua_State* L, const char* function) {
  if (SHUNT_UNLIKELY(hooks)) call_hook(L, function);
  if (SHUNT_UNLIKELY(strict)) check_utf8(L);
  std::size_t size = 0;
  const char* const text = luaL_checklstring(L, 1, &size);
  return {text, size};
}

int words(lua_State* L) {
  lua_Integer count = 0;
  bool inside = false;
  for (const char c : argument(L, "words")) {
    const bool letter = std::isspace(static_cast<unsigned char>(c)) == 0;
    count += letter && !inside ? 1 : 0;
    inside = letter;
  }
  lua_pushinteger(L, count);
  return 1;
}

int checksum(lua_State* L) {
  std::uint32_t hash = 2166136261U;
  for (const char c : argument(L, "checksum")) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  lua_pushinteger(L, hash);
  return 1;
}

int on_call(lua_State* L) {
  lua_settop(L, 1);
  if (!lua_isnil(L, 1)) luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &hook_place);
  return 0;
}

}  // namespace

int open_text(lua_State* L) {
  offer(hooks);
  offer(strict);
  const luaL_Reg functions[] = {{"words", &words}, {"checksum", &checksum}, {"on_call", &on_call}, {nullptr, nullptr}};
  luaL_newlib(L, functions);
  return 1;
}

}  // namespace lua_sample
