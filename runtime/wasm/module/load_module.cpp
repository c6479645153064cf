#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "runtime/wasm/control/detour.h"
#include "runtime/wasm/instance/host_function.h"
#include "runtime/wasm/instance/traps.h"
#include "runtime/wasm/module/code_names.h"
#include "runtime/wasm/module/flag_imports.h"
#include "runtime/wasm/module/module_loader.h"
#include "runtime/wasm/module/type_registry.h"
#include "runtime/wasm/tiers/module_bodies.h"
#include "runtime/wasm/tracing/trace_calls.h"
#include "shunt/runtime/module.h"

namespace shunt::wasm {
namespace {

using Clock = std::chrono::steady_clock;

std::uint64_t since(Clock::time_point start) {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count());
}

flags::ViewedFlags viewed(std::span<const FlagImport> imports) {
  std::vector<flags::ViewedFlag> flags;
  flags.reserve(imports.size());
  for (const FlagImport& import : imports) flags.push_back({import.flag, import.type, import.variant});
  return flags::ViewedFlags(std::move(flags));
}

// Passes bodies on to the compiler, which can only be made when the module's imports are known, and takes the time it
// needs.
class CompilingSink final : public FunctionSink {
 public:
  CompilingSink(Engine& engine, flags::FlagSet& flags, ModuleState& state, const runtime::ModuleOptions& options)
      : engine_(engine), flags_(flags), state_(state), options_(options) {}

  Status begin_code(const ModuleData& module) override {
    const Clock::time_point start = Clock::now();
    Result<std::vector<FlagImport>> imports = resolve_flag_imports(module, flags_);
    if (!imports) return std::move(imports).error();
    state_.flag_imports = std::move(*imports);
    state_.viewed_flags = viewed(state_.flag_imports);
    BaselineOptions options{.engine = &engine_,
                            .flags = &flags_,
                            .flag_imports = state_.flag_imports,
                            .host_call = &call_host_function,
                            .interrupt = options_.interruptible ? &state_.control->interrupt : nullptr,
                            .detour = &serve_detour,
                            .execution_offset = TrapScope::execution_offset()};
    if (state_.tracing) {
      options.trace_keys = &state_.tracing->prepare(module);
      options.trace = &trace_call;
    }
    if (state_.tiers) {
      Status prepared = state_.tiers->prepare(module.functions.size() - module.imported_functions, options);
      if (!prepared) return prepared;
    }
    if (state_.breakpoints) {
      state_.breakpoints->prepare(module.functions.size() - module.imported_functions, options);
    }
    compiler_.emplace(options);
    Status begun = compiler_->begin_code(module);
    state_.stats.compile_ns += since(start);
    return begun;
  }

  Status function(const FunctionBody& body) override {
    if (state_.breakpoints) state_.breakpoints->add(body);
    const Clock::time_point start = Clock::now();
    Status compiled = compiler_->function(body);
    state_.stats.compile_ns += since(start);
    return compiled;
  }

  // After read_module() succeeded.
  Result<std::unique_ptr<BaselineCode>> finish() { return compiler_->finish(); }

 private:
  Engine& engine_;
  flags::FlagSet& flags_;
  ModuleState& state_;
  const runtime::ModuleOptions& options_;
  std::optional<BaselineCompiler> compiler_;
};

void complete(ModuleState& state) {
  const ModuleData& data = *state.data;
  state.canonical_types.reserve(data.types.size());
  for (const FunctionType& type : data.types) state.canonical_types.push_back(canonical_type(type));
  for (const ExportRecord& record : data.exports) state.exports.emplace(record.name, &record);
  state.stats.module_bytes = data.module_bytes;
  state.stats.code_section_bytes = data.code_section_bytes;
  state.stats.machine_code_bytes = state.code->code.size();
  state.stats.functions = data.functions.size() - data.imported_functions;
  state.stats.sites = state.code->sites;
  state.stats.flag_sites = state.code->flag_sites.size();
}

std::int32_t hot_count(const runtime::ModuleOptions& options) {
  constexpr std::uint32_t most = 1U << 30;  // far from where counters wrap around
  return static_cast<std::int32_t>(std::clamp(options.hot_count, 1U, most));
}

}  // namespace

Status ModuleLoader::check_tier(const runtime::ModuleOptions& options) const {
  if (options.tier == runtime::Tier::Baseline || optimising_ != nullptr) return Ok{};
  return make_error(ErrorCode::Unsupported, options.name +
                                                ": the optimising tier is not in this build, which found no LLVM 19 to "
                                                "22; load with the baseline tier");
}

Status ModuleLoader::compile_baseline(ModuleState& state, std::span<const std::uint8_t> bytes,
                                      const runtime::ModuleOptions& options) {
  state.control = std::make_unique<ControlKeys>(engine_);
  if (options.traceable) state.tracing = std::make_unique<ModuleTracing>();
  CompilingSink sink(engine_, flags_, state, options);
  const Clock::time_point start = Clock::now();
  Result<std::unique_ptr<ModuleData>> data = read_module(bytes, options.name, sink, options.limits);
  if (!data) return std::move(data).error();
  state.data = std::move(*data);
  if (state.tiers) state.assumptions = std::make_unique<ModuleAssumptions>(engine_, *state.data);
  state.stats.decode_ns = since(start) - state.stats.compile_ns;

  const Clock::time_point finishing = Clock::now();
  Result<std::unique_ptr<BaselineCode>> code = sink.finish();
  if (!code) return std::move(code).error();
  state.code = std::move(*code);
  if (Status added = engine_.add_safepoint_key(state.control->interrupt); !added) return added;
  state.stats.publish_ns = since(finishing);
  complete(state);
  return name_code(engine_, state);
}

// All functions again, before the first call.
Status ModuleLoader::optimise_all(ModuleState& state, std::span<const std::uint8_t> bytes) {
  const Clock::time_point start = Clock::now();
  const Result<ModuleBodies> bodies = ModuleBodies::read(bytes, *state.data, nullptr);
  if (!bodies) return bodies.error();
  Status compiled = state.tiers->compile(bodies->all());
  state.stats.optimise_ns = since(start);
  return compiled;
}

Result<runtime::Module> ModuleLoader::load(std::span<const std::uint8_t> bytes, const runtime::ModuleOptions& options) {
  if (Status there = check_tier(options); !there) return std::move(there).error();
  auto state = std::make_shared<ModuleState>();
  state->flags = &flags_;
  if (options.tier != runtime::Tier::Baseline) {
    const auto when = options.tier == runtime::Tier::Auto ? Tiers::When::Hot : Tiers::When::Asked;
    state->tiers = std::make_unique<Tiers>(engine_, flags_, optimising_, when, hot_count(options));
  }
  if (options.debuggable) state->breakpoints = std::make_unique<Breakpoints>(engine_, flags_);
  if (Status compiled = compile_baseline(*state, bytes, options); !compiled) return std::move(compiled).error();
  if (state->breakpoints) state->breakpoints->begin(*state, bytes);
  if (state->tiers) {
    if (Status begun = state->tiers->begin(*state, bytes); !begun) return std::move(begun).error();
    if (options.tier == runtime::Tier::Optimising) {
      if (Status optimised = optimise_all(*state, bytes); !optimised) return std::move(optimised).error();
    }
  }
  return runtime::Module(std::move(state));
}

}  // namespace shunt::wasm

namespace shunt::runtime {

using wasm::ModuleData;

namespace {

struct TierName {
  Tier tier;
  std::string_view name;
};
constexpr std::array tier_names = {TierName{Tier::Baseline, "baseline"}, TierName{Tier::Optimising, "optimising"},
                                   TierName{Tier::Auto, "auto"}};

}  // namespace

std::string_view to_string(Tier tier) {
  return std::find_if(tier_names.begin(), tier_names.end(), [tier](const TierName& one) { return one.tier == tier; })
      ->name;
}

std::optional<Tier> parse_tier(std::string_view name) {
  for (const TierName& one : tier_names) {
    if (one.name == name) return one.tier;
  }
  return std::nullopt;
}

bool has_optimising_tier() {
  return wasm::built_in_optimising_compiler != nullptr;
}

Result<Module> Module::load(Engine& engine, flags::FlagSet& flags, std::span<const std::uint8_t> bytes,
                            const ModuleOptions& options) {
  return wasm::ModuleLoader(engine, flags, wasm::built_in_optimising_compiler).load(bytes, options);
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

TierStats Module::tier_stats() const {
  if (!state_->tiers) return {};
  TierStats stats = state_->tiers->stats();
  stats.withdrawn = state_->assumptions->withdrawn();
  return stats;
}

const CompileStats& Module::stats() const {
  return state_->stats;
}

}  // namespace shunt::runtime
