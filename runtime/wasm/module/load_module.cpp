#include <chrono>
#include <utility>

#include "runtime/wasm/instance/host_function.h"
#include "runtime/wasm/module/code_names.h"
#include "runtime/wasm/module/flag_imports.h"
#include "runtime/wasm/module/module_state.h"
#include "runtime/wasm/module/type_registry.h"
#include "shunt/runtime/module.h"

namespace shunt::runtime {
namespace {

using wasm::ModuleData;
using wasm::ModuleState;
using Clock = std::chrono::steady_clock;

std::uint64_t since(Clock::time_point start) {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count());
}

// Passes bodies on to the compiler, which can only be made when the module's imports are known, and takes the time it
// needs.
class CompilingSink final : public wasm::FunctionSink {
 public:
  CompilingSink(Engine& engine, flags::FlagSet& flags, ModuleState& state)
      : engine_(engine), flags_(flags), state_(state) {}

  Status begin_code(const ModuleData& module) override {
    const Clock::time_point start = Clock::now();
    Result<std::vector<wasm::FlagImport>> imports = wasm::resolve_flag_imports(module, flags_);
    if (!imports) return std::move(imports).error();
    state_.flag_imports = std::move(*imports);
    compiler_.emplace(wasm::BaselineOptions{.engine = &engine_,
                                            .flags = &flags_,
                                            .flag_imports = state_.flag_imports,
                                            .host_call = &wasm::call_host_function});
    Status begun = compiler_->begin_code(module);
    state_.stats.compile_ns += since(start);
    return begun;
  }

  Status function(const wasm::FunctionBody& body) override {
    const Clock::time_point start = Clock::now();
    Status compiled = compiler_->function(body);
    state_.stats.compile_ns += since(start);
    return compiled;
  }

  // After read_module() succeeded.
  Result<std::unique_ptr<wasm::BaselineCode>> finish() { return compiler_->finish(); }

 private:
  Engine& engine_;
  flags::FlagSet& flags_;
  ModuleState& state_;
  std::optional<wasm::BaselineCompiler> compiler_;
};

void complete(ModuleState& state) {
  const ModuleData& data = *state.data;
  state.canonical_types.reserve(data.types.size());
  for (const FunctionType& type : data.types) state.canonical_types.push_back(wasm::canonical_type(type));
  for (const wasm::ExportRecord& record : data.exports) state.exports.emplace(record.name, &record);
  state.stats.module_bytes = data.module_bytes;
  state.stats.code_section_bytes = data.code_section_bytes;
  state.stats.machine_code_bytes = state.code->code.size();
  state.stats.functions = data.functions.size() - data.imported_functions;
  state.stats.sites = state.code->sites;
}

}  // namespace

Result<Module> Module::load(Engine& engine, flags::FlagSet& flags, std::span<const std::uint8_t> bytes,
                            const ModuleOptions& options) {
  auto state = std::make_shared<ModuleState>();
  CompilingSink sink(engine, flags, *state);
  const Clock::time_point start = Clock::now();
  Result<std::unique_ptr<ModuleData>> data = wasm::read_module(bytes, options.name, sink);
  if (!data) return std::move(data).error();
  state->data = std::move(*data);
  state->stats.decode_ns = since(start) - state->stats.compile_ns;

  const Clock::time_point finishing = Clock::now();
  Result<std::unique_ptr<wasm::BaselineCode>> code = sink.finish();
  if (!code) return std::move(code).error();
  state->code = std::move(*code);
  state->stats.publish_ns = since(finishing);
  complete(*state);
  if (Status named = wasm::name_code(engine, *state); !named) return std::move(named).error();
  return Module(std::move(state));
}

std::vector<ImportType> Module::imports() const {
  const ModuleData& data = *state_->data;
  std::vector<ImportType> imports;
  imports.reserve(data.imports.size());
  for (const wasm::ImportRecord& record : data.imports) {
    const wasm::ImportedExtern name = wasm::import_name(data, record);
    imports.push_back({name.module, name.name, wasm::extern_type(data, record.kind, record.index)});
  }
  return imports;
}

std::vector<ExportType> Module::exports() const {
  const ModuleData& data = *state_->data;
  std::vector<ExportType> exports;
  exports.reserve(data.exports.size());
  for (const wasm::ExportRecord& record : data.exports) {
    exports.push_back({record.name, wasm::extern_type(data, record.kind, record.index)});
  }
  return exports;
}

const CompileStats& Module::stats() const {
  return state_->stats;
}

}  // namespace shunt::runtime
