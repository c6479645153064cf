// Loads modules: read, compiled by the baseline, and by the optimising tier as the options say.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "runtime/wasm/module/module_state.h"
#include "runtime/wasm/tiers/optimising_compiler.h"
#include "shunt/runtime/module.h"

namespace shunt::wasm {

class ModuleLoader {
 public:
  // `optimising` may be null: there is none. Engine and flags must outlive the modules.
  ModuleLoader(Engine& engine, flags::FlagSet& flags, OptimisingCompiler optimising)
      : engine_(engine), flags_(flags), optimising_(optimising) {}

  // As Module::load().
  Result<runtime::Module> load(std::span<const std::uint8_t> bytes, const runtime::ModuleOptions& options);

 private:
  Status check_tier(const runtime::ModuleOptions& options) const;
  Status compile_baseline(ModuleState& state, std::span<const std::uint8_t> bytes,
                          const runtime::ModuleOptions& options);
  Status optimise_all(ModuleState& state, std::span<const std::uint8_t> bytes);

  Engine& engine_;
  flags::FlagSet& flags_;
  OptimisingCompiler optimising_;
};

}  // namespace shunt::wasm
