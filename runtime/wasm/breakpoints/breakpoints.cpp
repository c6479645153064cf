#include "runtime/wasm/breakpoints/breakpoints.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "runtime/wasm/control/detour.h"
#include "runtime/wasm/module/module_state.h"
#include "runtime/wasm/tiers/module_bodies.h"
#include "shunt/patch_batch.h"

namespace shunt::wasm {
namespace {

constexpr std::chrono::milliseconds patience{10};  // of who sets or clears, for threads in what can be freed

Status commit(PatchBatch& batch) {
  if (Result<CommitReport> committed = batch.commit(); !committed) return std::move(committed).error();
  return Ok{};
}

}  // namespace

Breakpoints::~Breakpoints() = default;

void Breakpoints::prepare(std::size_t defined_functions, BaselineOptions& options) {
  for (std::size_t i = 0; i < defined_functions; ++i) entry_keys_.emplace_back("shunt.debug");
  options.debug_keys = &entry_keys_;
  interrupt_ = options.interrupt;
  trace_keys_ = options.trace_keys;
  trace_ = options.trace;
}

void Breakpoints::begin(const ModuleState& module, std::span<const std::uint8_t> bytes) {
  module_ = &module;
  bytes_.assign(bytes.begin(), bytes.end());
}

const BaselineCode* Breakpoints::find(std::uintptr_t pc) const noexcept {
  const BaselineCode* found = nullptr;
  code_.look([&](const BaselineCode& code) {
    if (pc - reinterpret_cast<std::uintptr_t>(code.code.data()) >= code.code.size()) return false;
    found = &code;
    return true;
  });
  return found;
}

// --- versions ---

Result<std::unique_ptr<Breakpoints::Version>> Breakpoints::compile(std::uint32_t function) {
  const std::vector<std::uint32_t> wanted = {function};
  const Result<ModuleBodies> bodies = ModuleBodies::read(bytes_, *module_->data, &wanted);
  if (!bodies) return bodies.error();
  auto version = std::make_unique<Version>();
  version->places.owner = this;
  version->name = module_->data->display_name(function);
  BaselineCompiler compiler({.engine = &engine_,
                             .flags = &flags_,
                             .flag_imports = module_->flag_imports,
                             .interrupt = interrupt_,
                             .detour = &serve_detour,
                             .trace_keys = trace_keys_,
                             .trace = trace_,
                             .debug = &version->places});
  if (Status begun = compiler.begin_code(*module_->data); !begun) return std::move(begun).error();
  if (Status compiled = compiler.function(bodies->all().front()); !compiled) return std::move(compiled).error();
  if (version->places.sites.empty()) {
    return make_error(ErrorCode::Unsupported, module_->data->source_name + ": " + version->name +
                                                  " has too many locals for a breakpoint: its frame would be larger "
                                                  "than a guest's may be");
  }
  Result<std::unique_ptr<BaselineCode>> code = compiler.finish();
  if (!code) return std::move(code).error();
  version->code = std::move(*code);
  if (engine_.names_wanted()) {
    const auto size = static_cast<std::uint32_t>(version->code->code.size());
    const std::string name = version->name + " (breakpoints)";
    const std::array symbols = {CodeSymbol{0, size, name}};
    if (Status told = engine_.name(version->code->code, symbols); !told) return std::move(told).error();
  }
  versions_compiled.fetch_add(1, std::memory_order_release);
  return version;
}

Result<Breakpoints::Version*> Breakpoints::version_of(std::uint32_t function) {
  {
    const std::scoped_lock hold(mutex_);
    if (const auto found = versions_.find(function); found != versions_.end()) return found->second.get();
  }
  Result<std::unique_ptr<Version>> made = compile(function);
  if (!made) return std::move(made).error();
  const std::scoped_lock hold(mutex_);
  code_.add(*(*made)->code);  // before anybody can trap in it
  return versions_.emplace(function, std::move(*made)).first->second.get();
}

std::size_t Breakpoints::collect(const WaitLimit& limit) {
  const std::scoped_lock one(changing_);
  return collect_locked(limit);
}

std::size_t Breakpoints::collect_locked(const WaitLimit& limit) {
  std::vector<std::uint32_t> unused;
  {
    const std::scoped_lock hold(mutex_);
    for (const auto& [function, version] : versions_) {
      if (version->breakpoints == 0) unused.push_back(function);
    }
  }
  std::size_t left = 0;
  for (const std::uint32_t function : unused) {
    const Code& code = versions_.at(function)->code->code;  // only we remove versions
    const std::array extents = {CodeExtent{code.data(), code.size()}};
    const Result<QuiescenceReport> drained = engine_.drain(extents, limit);
    const std::scoped_lock hold(mutex_);
    const auto version = versions_.find(function);
    if (!drained || version->second->steps != 0) {  // a thread is in it, or is about to look at it
      ++left;
      continue;
    }
    code_.remove(*version->second->code);
    versions_.erase(version);
  }
  return left;
}

// --- set and clear ---

Result<std::shared_ptr<ArmedBreakpoint>> Breakpoints::set(const runtime::BreakpointPlace& place,
                                                          runtime::BreakpointHandler handler) {
  const Result<std::uint32_t> function = find_function(place);
  if (!function) return function.error();
  const std::scoped_lock one(changing_);
  Result<Version*> version = version_of(*function);
  if (!version) return std::move(version).error();
  Result<baseline::DebugSite*> site = find_site(**version, place.offset);
  if (!site) {
    (void)collect_locked(patience);
    return std::move(site).error();
  }
  auto breakpoint = std::make_shared<ArmedBreakpoint>();
  breakpoint->function = *function;
  breakpoint->offset = (*site)->module_offset;
  breakpoint->site = *site;
  breakpoint->handler = std::move(handler);
  if (Status held = hold_tiers(); !held) return std::move(held).error();
  if (Status armed = arm(**version, breakpoint); !armed) {
    release_tiers();
    return std::move(armed).error();
  }
  return breakpoint;
}

Status Breakpoints::arm(Version& version, const std::shared_ptr<ArmedBreakpoint>& breakpoint) {
  const std::uint32_t defined = breakpoint->function - module_->data->imported_functions;
  const std::scoped_lock hold(mutex_);
  PatchBatch batch(engine_);
  if (version.breakpoints == 0) {
    const std::uint8_t* const entry = module_->code->code.data() + module_->code->debug_entries[defined];
    batch.retarget(entry_keys_[defined], entry, 1, version.code->code.data() + version.code->entries.front());
    batch.enable(entry_keys_[defined]);
  }
  batch.acquire(breakpoint->site->key);
  Armed& here = version.armed[breakpoint->site];
  here.push_back(breakpoint);  // first: a guest may come at once
  if (Status committed = commit(batch); !committed) {
    here.pop_back();
    return committed;
  }
  ++version.breakpoints;
  return Ok{};
}

Status Breakpoints::clear(ArmedBreakpoint& breakpoint) {
  const std::scoped_lock one(changing_);
  if (breakpoint.cleared) return Ok{};
  Version* version = nullptr;
  {
    const std::scoped_lock hold(mutex_);
    version = versions_.at(breakpoint.function).get();
  }
  if (Status disarmed = disarm(*version, breakpoint); !disarmed) return disarmed;
  release_tiers();
  (void)collect_locked(patience);
  return Ok{};
}

Status Breakpoints::disarm(Version& version, ArmedBreakpoint& breakpoint) {
  const std::scoped_lock hold(mutex_);
  PatchBatch batch(engine_);
  batch.release(breakpoint.site->key);
  if (version.breakpoints == 1) batch.disable(entry_keys_[breakpoint.function - module_->data->imported_functions]);
  if (Status committed = commit(batch); !committed) return committed;
  --version.breakpoints;
  breakpoint.cleared = true;
  const auto here = version.armed.find(breakpoint.site);
  std::erase_if(here->second, [&](const auto& other) { return other.get() == &breakpoint; });
  if (here->second.empty()) version.armed.erase(here);
  return Ok{};
}

// The module's first breakpoint, and its last.
Status Breakpoints::hold_tiers() {
  if (module_->tiers && !holds_tiers_) {
    if (Status held = module_->tiers->hold_in_baseline(); !held) return held;
    holds_tiers_ = true;
  }
  ++set_;
  return Ok{};
}

void Breakpoints::release_tiers() {
  if (--set_ != 0 || !holds_tiers_) return;
  holds_tiers_ = !module_->tiers->let_optimise();  // if it fails, they stay where they are until the next one
}

}  // namespace shunt::wasm
