#include "keys.h"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "shunt/engine.h"
#include "shunt/patch_batch.h"
#include "shunt/static_call.h"

namespace lua_sample {
namespace {

int push_false(lua_State* L) {
  lua_pushboolean(L, 0);
  return 1;
}
int push_true(lua_State* L) {
  lua_pushboolean(L, 1);
  return 1;
}

int no_answer_yet(lua_State* L) {
  return luaL_error(L, "this key was never set");  // nobody gets to see it: see find_or_add()
}

// A script's key is a static call: whoever asks is sent to the function that answers. A key of the host has sites in
// the host's code, and such a call beside, which flips in the same batch.
struct Key {
  Key(std::string key_name, shunt::StaticKey* host_key)
      : name(std::move(key_name)), host(host_key), test(name.c_str(), &no_answer_yet) {}

  void queue(shunt::PatchBatch& batch, bool on) {
    batch.set(test, on ? &push_true : &push_false);
    if (host != nullptr) batch.set(*host, on);
  }

  const std::string name;
  shunt::StaticKey* const host;  // or null
  shunt::StaticCall<int(lua_State*)> test;
};

// The message of the error, or nothing.
std::string flip(const std::vector<std::pair<Key*, bool>>& wanted) {
  const shunt::Result<shunt::Engine*> engine = shunt::Engine::process();
  if (!engine) return engine.error().message();
  shunt::PatchBatch batch(**engine);
  for (const auto& [key, on] : wanted) key->queue(batch, on);
  const shunt::Result<shunt::CommitReport> report = batch.commit();
  return report ? std::string() : report.error().message();
}

// Never destroyed: scripts may run until the process ends.
class Keys {
 public:
  static Keys& all() {
    static auto* const keys = new Keys;
    return *keys;
  }
  // The key, and the message of the error if it could not be made. Setting its call once gives it the address by which
  // Lua calls it, whatever it is set to later.
  std::pair<Key*, std::string> find_or_add(const std::string& name, shunt::StaticKey* host = nullptr) {
    const std::lock_guard hold(lock_);
    std::unique_ptr<Key>& key = by_name_[name];
    if (key != nullptr) return {key.get(), {}};
    auto made = std::make_unique<Key>(name, host);
    if (std::string error = flip({{made.get(), false}}); !error.empty()) return {nullptr, std::move(error)};
    key = std::move(made);
    return {key.get(), {}};
  }

 private:
  std::mutex lock_;  // protects by_name_; held while a new key is committed
  std::map<std::string, std::unique_ptr<Key>> by_name_;
};

// The work of a Lua function is done by one that returns an error's message, or nothing: Lua raises errors by jumping
// over C++ frames, so none may be left that has something to destroy.
template <class Work>
void work_or_raise(lua_State* L, Work work) {
  bool failed = false;
  {
    const std::string message = work();
    failed = !message.empty();
    if (failed) lua_pushlstring(L, message.data(), message.size());
  }
  if (failed) lua_error(L);
}

std::string flip_named(const std::vector<std::pair<std::string, bool>>& wanted) {
  std::vector<std::pair<Key*, bool>> keys;
  for (const auto& [name, on] : wanted) {
    std::pair<Key*, std::string> found = Keys::all().find_or_add(name);
    if (!found.second.empty()) return std::move(found.second);
    keys.emplace_back(found.first, on);
  }
  return flip(keys);
}

int key(lua_State* L) {
  const char* const name = luaL_checkstring(L, 1);
  work_or_raise(L, [&]() -> std::string {
    const std::pair<Key*, std::string> found = Keys::all().find_or_add(name);
    if (!found.second.empty()) return found.second;
    lua_pushcfunction(L, found.first->test.entry());
    return {};
  });
  return 1;
}

int set(lua_State* L) {
  if (lua_istable(L, 1)) {
    lua_pushnil(L);
    while (lua_next(L, 1) != 0) {  // checked first: while a vector lives, nothing may be raised
      luaL_argcheck(L, lua_type(L, -2) == LUA_TSTRING && lua_isboolean(L, -1), 1, "wants names with booleans");
      lua_pop(L, 1);
    }
  } else {
    luaL_checkstring(L, 1);
    luaL_checktype(L, 2, LUA_TBOOLEAN);
  }
  work_or_raise(L, [&] {
    std::vector<std::pair<std::string, bool>> wanted;
    if (lua_istable(L, 1)) {
      lua_pushnil(L);
      for (; lua_next(L, 1) != 0; lua_pop(L, 1)) wanted.emplace_back(lua_tostring(L, -2), lua_toboolean(L, -1) != 0);
    } else {
      wanted.emplace_back(lua_tostring(L, 1), lua_toboolean(L, 2) != 0);
    }
    return flip_named(wanted);
  });
  return 0;
}

}  // namespace

int open_shunt(lua_State* L) {
  const luaL_Reg functions[] = {{"key", &key}, {"set", &set}, {nullptr, nullptr}};
  luaL_newlib(L, functions);
  return 1;
}

void offer(shunt::StaticKey& key) {
  (void)Keys::all().find_or_add(key.name(), &key);  // an error comes again when a script asks for the key
}

}  // namespace lua_sample
