// shunt_wasm.h: the feature flags of an engine.
#include <string>

#include "runtime/capi/engine.h"
#include "runtime/capi/errors.h"
#include "shunt/runtime/c/shunt_wasm.h"

namespace shunt::wasmc {
namespace {

bool loaded(const Result<flags::LoadReport>& report) {
  if (!report) keep_error(report.error());
  return static_cast<bool>(report);
}

bool set(wasm_engine_t* engine, const char* key, flags::FlagValue value) {
  return guarded([&] { return loaded(engine->shared->flags().set(key, std::move(value))); });
}

}  // namespace
}  // namespace shunt::wasmc

using shunt::wasmc::guarded;

extern "C" {

bool shunt_wasm_flags_load(wasm_engine_t* engine, const char* json, size_t length, const char* source) {
  return guarded([&] {
    return shunt::wasmc::loaded(
        engine->shared->flags().load_json({json, length}, source == nullptr ? "<flags>" : source));
  });
}

bool shunt_wasm_flags_load_file(wasm_engine_t* engine, const char* path) {
  return guarded([&] { return shunt::wasmc::loaded(shunt::flags::load_file(engine->shared->flags(), path)); });
}

bool shunt_wasm_flags_watch_file(wasm_engine_t* engine, const char* path, shunt_wasm_flags_changed_t changed,
                                 void* env) {
  return guarded([&] {
    return shunt::wasmc::succeeded(engine->shared->watch(path, [changed, env](const shunt::flags::Reload& reload) {
      if (changed != nullptr) changed(env, reload.result ? nullptr : reload.result.error().message().c_str());
    }));
  });
}

bool shunt_wasm_flags_set_context(wasm_engine_t* engine, const char* context, size_t length) {
  return guarded([&] { return shunt::wasmc::loaded(engine->shared->flags().set_context({context, length})); });
}

bool shunt_wasm_flag_set_bool(wasm_engine_t* engine, const char* key, bool value) {
  return shunt::wasmc::set(engine, key, value);
}
bool shunt_wasm_flag_set_int(wasm_engine_t* engine, const char* key, int64_t value) {
  return shunt::wasmc::set(engine, key, value);
}
bool shunt_wasm_flag_set_double(wasm_engine_t* engine, const char* key, double value) {
  return shunt::wasmc::set(engine, key, value);
}
bool shunt_wasm_flag_set_string(wasm_engine_t* engine, const char* key, const char* value) {
  return guarded([&] { return shunt::wasmc::set(engine, key, std::string(value)); });
}

}  // extern "C"
