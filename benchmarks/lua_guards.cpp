// What a guard costs in a function that Lua calls: nothing guarded, a host site that is off, a variable that is off.
#include <benchmark/benchmark.h>

#include <atomic>
#include <cstdint>
#include <lua.hpp>

#include "benchmarks/support/measure.h"
#include "shunt/host_site.h"

namespace shunt::bench {
namespace {

StaticKey guard("guard");
std::atomic<bool> variable{false};

constexpr int guards_in_a_call = 16;

[[gnu::noinline, gnu::cold]] void guarded() {
  fail("the guard is off, and what it guards ran");
}

struct Unguarded {
  static bool on() { return false; }
};
struct BySite {
  [[gnu::always_inline]] static bool on() { return SHUNT_UNLIKELY(guard); }
};
struct ByVariable {
  [[gnu::always_inline]] static bool on() {
    // Relaxed, the cheapest that a flag read by one thread and written by another can be.
    return __builtin_expect(variable.load(std::memory_order_relaxed), false);
  }
};

// A step of a hash, with a guard at each of its rounds.
template <class Guard>
int step(lua_State* L) {
  auto hash = static_cast<std::uint64_t>(lua_tointeger(L, 1));
#pragma GCC unroll 16
  for (int round = 0; round < guards_in_a_call; ++round) {
    if (Guard::on()) guarded();
    hash = (hash ^ (hash >> 29)) * 0xBF58476D1CE4E5B9U;
    asm("" : "+r"(hash));  // the rounds stay apart, as calls of different functions would
  }
  lua_pushinteger(L, static_cast<lua_Integer>(hash));
  return 1;
}

// A Lua state whose function `loop(n)` calls the step n times.
class Script {
 public:
  explicit Script(lua_CFunction function) : state_(luaL_newstate()) {
    if (state_ == nullptr) fail("no memory for a Lua state");
    lua_pushcfunction(state_, function);
    lua_setglobal(state_, "step");
    if (luaL_dostring(state_, "local step = step  function loop(n) local h = 1 for _ = 1, n do h = step(h) end end") !=
        0)
      fail(lua_tostring(state_, -1));
  }
  ~Script() { lua_close(state_); }
  Script(const Script&) = delete;
  Script& operator=(const Script&) = delete;

  void run(int calls) {
    lua_getglobal(state_, "loop");
    lua_pushinteger(state_, calls);
    if (lua_pcall(state_, 1, 0, 0) != LUA_OK) fail(lua_tostring(state_, -1));
  }

 private:
  lua_State* state_;
};

void guards_in_lua(benchmark::State& state) {
  constexpr int calls = 1000;
  Script site(&step<BySite>);
  Script by_variable(&step<ByVariable>);
  Script unguarded(&step<Unguarded>);
  interleave(state, [&] { site.run(calls); },
             {{"variable", [&] { by_variable.run(calls); }}, {"unguarded", [&] { unguarded.run(calls); }}});
}

void register_all() {
  benchmark::RegisterBenchmark("guards_in_lua", guards_in_lua)->UseManualTime()->Iterations(iterations(4000));
}

}  // namespace
}  // namespace shunt::bench

int main(int argc, char** argv) {
  return shunt::bench::run_main(argc, argv, shunt::bench::register_all);
}
