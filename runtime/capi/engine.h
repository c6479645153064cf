// An engine of wasm.h: an engine, a set of flags, and what all stores share. Alive as long as anything that was made
// with it.
#pragma once

#include <wasm.h>

#include <map>
#include <memory>
#include <mutex>

#include "shunt/engine.h"
#include "shunt/runtime/flag_file.h"
#include "shunt/runtime/flags.h"
#include "shunt/runtime/instance.h"
#include "shunt/runtime/module.h"

struct wasm_config_t {
  bool process_engine = false;
  shunt::EngineOptions engine;
  shunt::runtime::ModuleOptions module;
  shunt::runtime::StoreOptions store;
};

namespace shunt::wasmc {

// Thread-safe.
class SharedEngine {
 public:
  // Errors: those of Engine::create() and Engine::process().
  static Result<std::shared_ptr<SharedEngine>> create(const wasm_config_t& config);

  [[nodiscard]] Engine& engine() const { return *engine_; }
  [[nodiscard]] flags::FlagSet& flags() { return flags_; }
  [[nodiscard]] const wasm_config_t& config() const { return config_; }

  // Errors: those of Module::load(). Blocks.
  Result<runtime::Module> load(std::span<const std::uint8_t> bytes);

  // A module that imports one function of this type and exports it: its instances make functions of the host callable
  // like a guest's. One a type. Errors: those of load(). Blocks when a type is new.
  Result<runtime::Module> host_function_module(const runtime::FunctionType& type);

  // Loads a file of flags, and each new version of it from now on; the file that was watched before is not watched any
  // more. Errors: those of FileSource::start(). Blocks.
  Status watch(std::string path, flags::FileSource::Callback callback);

 private:
  struct Less {
    bool operator()(const runtime::FunctionType& a, const runtime::FunctionType& b) const;
  };

  SharedEngine(const wasm_config_t& config, std::unique_ptr<Engine> owned, Engine& engine)
      : config_(config), owned_(std::move(owned)), engine_(&engine), flags_(engine) {}

  const wasm_config_t config_;
  const std::unique_ptr<Engine> owned_;  // null for the process's engine
  Engine* const engine_;
  flags::FlagSet flags_;
  std::mutex mutex_;  // protects what follows; held while a module is loaded or a file is read for the first time
  std::map<runtime::FunctionType, runtime::Module, Less> host_functions_;
  std::unique_ptr<flags::FileSource> source_;
};

}  // namespace shunt::wasmc

struct wasm_engine_t {
  std::shared_ptr<shunt::wasmc::SharedEngine> shared;
};
