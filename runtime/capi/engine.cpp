#include "runtime/capi/engine.h"

#include <utility>

#include "runtime/capi/errors.h"
#include "runtime/capi/host_function_module.h"

namespace shunt::wasmc {

Result<std::shared_ptr<SharedEngine>> SharedEngine::create(const wasm_config_t& config) {
  std::unique_ptr<Engine> owned;
  Engine* engine = nullptr;
  if (config.process_engine) {
    Result<Engine*> process = Engine::process();
    if (!process) return std::move(process).error();
    engine = *process;
  } else {
    Result<std::unique_ptr<Engine>> made = Engine::create(config.engine);
    if (!made) return std::move(made).error();
    owned = std::move(*made);
    engine = owned.get();
  }
  return std::shared_ptr<SharedEngine>(new SharedEngine(config, std::move(owned), *engine));
}

Result<runtime::Module> SharedEngine::load(std::span<const std::uint8_t> bytes) {
  return runtime::Module::load(engine(), flags_, bytes, config_.module);
}

bool SharedEngine::Less::operator()(const runtime::FunctionType& a, const runtime::FunctionType& b) const {
  return a.params != b.params ? a.params < b.params : a.results < b.results;
}

Result<runtime::Module> SharedEngine::host_function_module(const runtime::FunctionType& type) {
  const std::lock_guard hold(mutex_);
  if (const auto found = host_functions_.find(type); found != host_functions_.end()) return found->second;
  Result<runtime::Module> made =
      runtime::Module::load(engine(), flags_, host_function_module_bytes(type),
                            {.name = "function of the host", .tier = runtime::Tier::Baseline, .interruptible = false});
  if (made) host_functions_.emplace(type, *made);
  return made;
}

Status SharedEngine::watch(std::string path, flags::FileSource::Callback callback) {
  Result<std::unique_ptr<flags::FileSource>> started =
      flags::FileSource::start(flags_, std::move(path), std::move(callback));
  if (!started) return std::move(started).error();
  std::unique_ptr<flags::FileSource> source = std::move(*started);
  {
    const std::lock_guard hold(mutex_);
    source_.swap(source);
  }
  return Ok{};  // the earlier source ends here, without the lock: its callback may be running
}

}  // namespace shunt::wasmc

using shunt::wasmc::guarded;
using shunt::wasmc::SharedEngine;

extern "C" {

wasm_config_t* wasm_config_new(void) {
  return guarded([] { return new wasm_config_t; });
}
void wasm_config_delete(wasm_config_t* config) {
  delete config;
}

wasm_engine_t* wasm_engine_new(void) {
  return wasm_engine_new_with_config(wasm_config_new());
}
wasm_engine_t* wasm_engine_new_with_config(wasm_config_t* config) {
  const std::unique_ptr<wasm_config_t> owned(config);
  return guarded([&]() -> wasm_engine_t* {
    if (config == nullptr) return nullptr;
    shunt::Result<std::shared_ptr<SharedEngine>> shared = SharedEngine::create(*config);
    if (shared) return new wasm_engine_t{std::move(*shared)};
    shunt::wasmc::keep_error(shared.error());
    return nullptr;
  });
}
void wasm_engine_delete(wasm_engine_t* engine) {
  delete engine;
}

}  // extern "C"
