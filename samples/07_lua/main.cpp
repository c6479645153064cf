// Lua 5.4 as Debian has it, with switches: runs a script in several states, each on a thread of its own.
//
// usage: 07_lua SCRIPT [THREADS]      the script sees `thread`, its number, from 1; and `threads`
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <lua.hpp>
#include <thread>
#include <vector>

#include "keys.h"
#include "text.h"

namespace {

int traceback(lua_State* L) {
  luaL_traceback(L, L, lua_tostring(L, 1), 1);
  return 1;
}

bool run(const char* script, int thread, int threads) {
  lua_State* const L = luaL_newstate();
  if (L == nullptr) return false;
  luaL_openlibs(L);
  luaL_requiref(L, "shunt", &lua_sample::open_shunt, 1);
  luaL_requiref(L, "text", &lua_sample::open_text, 1);
  lua_pushinteger(L, thread);
  lua_setglobal(L, "thread");
  lua_pushinteger(L, threads);
  lua_setglobal(L, "threads");
  lua_settop(L, 0);
  lua_pushcfunction(L, &traceback);
  const bool right = luaL_loadfile(L, script) == LUA_OK && lua_pcall(L, 0, 0, 1) == LUA_OK;
  if (!right) std::fprintf(stderr, "thread %d: %s\n", thread, lua_tostring(L, -1));
  lua_close(L);
  return right;
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 2 ? std::atoi(argv[2]) : 2;
  if (argc < 2 || argc > 3 || threads < 1 || threads > 64) {
    std::fprintf(stderr, "usage: %s SCRIPT [THREADS, 1 to 64]\n", argv[0]);
    return 2;
  }
  std::atomic<bool> all_right = true;  // relaxed: joining the threads orders it
  std::vector<std::thread> running;
  for (int thread = 1; thread <= threads; ++thread) {
    running.emplace_back([&, thread] {
      if (!run(argv[1], thread, threads)) all_right.store(false, std::memory_order_relaxed);
    });
  }
  for (std::thread& thread : running) thread.join();
  return all_right.load(std::memory_order_relaxed) ? 0 : 1;
}
