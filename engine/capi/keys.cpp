// The C interface: keys of all kinds.
#include <atomic>
#include <cstdint>
#include <string>

#include "engine/capi/handles.h"
#include "engine/capi/status.h"

using shunt::ErrorCode;
using shunt::capi::fail;
using shunt::capi::guarded;

namespace {

constexpr unsigned min_states = 2;
constexpr unsigned max_states = 256;

// Counts a reference of a boolean key, by acquire() or release().
template <class Count>
shunt_status count_reference(shunt_engine* engine, shunt_key* key, const char* function, Count&& count) {
  return guarded([&] {
    auto* const boolean = key == nullptr ? nullptr : std::get_if<shunt::StaticKey>(&key->key);
    if (engine == nullptr || boolean == nullptr) {
      return fail(make_error(ErrorCode::InvalidArgument,
                             std::string(function) + ": no engine, or no key of two states: only those are counted"));
    }
    return shunt::capi::status_of(count(*boolean, *engine->engine));
  });
}

}  // namespace

extern "C" {

shunt_status shunt_key_create(const char* name, unsigned states, shunt_key** key) {
  if (name == nullptr || key == nullptr)
    return fail(ErrorCode::InvalidArgument, "shunt_key_create: no name, or no place for the key");
  return guarded([&] {
    if (states < min_states || states > max_states) {
      return fail(make_error(ErrorCode::InvalidArgument, std::string("shunt_key_create: key \"") + name + "\" of " +
                                                             std::to_string(states) +
                                                             " states; 2 to 256 are possible"));
    }
    *key = states == 2 ? new shunt_key(std::in_place_type<shunt::StaticKey>, name)
                       : new shunt_key(std::in_place_type<shunt::StaticSwitch>, name, states);
    return SHUNT_OK;
  });
}

shunt_status shunt_assumption_create(const char* name, shunt_key** assumption) {
  if (name == nullptr || assumption == nullptr)
    return fail(ErrorCode::InvalidArgument, "shunt_assumption_create: no name, or no place for the assumption");
  return guarded([&] {
    *assumption = new shunt_key(std::in_place_type<shunt::Assumption>, name);
    return SHUNT_OK;
  });
}

shunt_status shunt_call_create(const char* name, shunt_function function, shunt_key** call) {
  if (name == nullptr || call == nullptr)
    return fail(ErrorCode::InvalidArgument, "shunt_call_create: no name, or no place for the call");
  return guarded([&] {
    *call = function == nullptr ? new shunt_key(std::in_place_type<shunt_key::Call>, name)
                                : new shunt_key(std::in_place_type<shunt_key::Call>, name, function);
    return SHUNT_OK;
  });
}

shunt_status shunt_demotable_key_create(const char* name, shunt_key** key) {
  if (name == nullptr || key == nullptr)
    return fail(ErrorCode::InvalidArgument, "shunt_demotable_key_create: no name, or no place for the key");
  return guarded([&] {
    *key = new shunt_key(std::in_place_type<shunt::DemotableKey>, name);
    return SHUNT_OK;
  });
}

const uint32_t* shunt_demotable_key_word(const shunt_key* key) {
  const auto* const demotable = key == nullptr ? nullptr : std::get_if<shunt::DemotableKey>(&key->key);
  static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(uint32_t));
  return demotable == nullptr ? nullptr : reinterpret_cast<const uint32_t*>(&demotable->word());
}

int shunt_key_demoted(const shunt_key* key) {
  const auto* const demotable = key == nullptr ? nullptr : std::get_if<shunt::DemotableKey>(&key->key);
  return demotable != nullptr && demotable->demoted() ? 1 : 0;
}

shunt_status shunt_promote_calm_keys(shunt_engine* engine) {
  if (engine == nullptr) return fail(ErrorCode::InvalidArgument, "shunt_promote_calm_keys: no engine");
  return guarded([&] { return shunt::capi::status_of(engine->engine->promote_calm_keys()); });
}

void shunt_key_destroy(shunt_key* key) {
  delete key;
}

unsigned shunt_key_state(const shunt_key* key) {
  if (key == nullptr) return 0;
  const auto* const demotable = std::get_if<shunt::DemotableKey>(&key->key);
  return demotable != nullptr ? static_cast<unsigned>(demotable->enabled()) : key->base().state();
}

const char* shunt_key_name(const shunt_key* key) {
  return key == nullptr ? "" : key->name.c_str();
}

shunt_status shunt_key_acquire(shunt_engine* engine, shunt_key* key) {
  return count_reference(engine, key, "shunt_key_acquire",
                         [](shunt::StaticKey& counted, shunt::Engine& owner) { return counted.acquire(owner); });
}

shunt_status shunt_key_release(shunt_engine* engine, shunt_key* key) {
  return count_reference(engine, key, "shunt_key_release",
                         [](shunt::StaticKey& counted, shunt::Engine& owner) { return counted.release(owner); });
}

shunt_function shunt_call_entry(const shunt_key* call) {
  const auto* const target = call == nullptr ? nullptr : std::get_if<shunt_key::Call>(&call->key);
  return target == nullptr ? nullptr : target->entry();
}

}  // extern "C"
