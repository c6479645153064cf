#include "runtime/wasm/tiers/tiers.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <utility>

#include "runtime/wasm/module/module_state.h"
#include "shunt/patch_batch.h"

namespace shunt::wasm {
namespace {

constexpr auto state_of = [](EntryState state) { return static_cast<unsigned>(state); };

// Release: who calls through the pointer finds the code that was published before.
void set_optimised(FuncRef& reference, const void* body) {
  std::atomic_ref(reference.optimised).store(body, std::memory_order_release);
}

}  // namespace

std::deque<StaticSwitch>& Tiers::make_keys(std::size_t defined_functions) {
  for (std::size_t i = 0; i < defined_functions; ++i) keys_.emplace_back("tier", entry_states);
  return keys_;
}

void Tiers::begin(const ModuleState& module) {
  state_ = &module;
  module_ = module.data.get();
  code_ = module.code.get();
  functions_.resize(keys_.size());
  for (const std::uint32_t thunk : code_->guest_calls) {
    call_guest_.push_back(code_->code.entry<std::remove_pointer_t<CallGuestThunk>>(thunk));
  }
}

Status Tiers::compile(std::span<const FunctionBody> bodies) {
  if (bodies.empty()) return Ok{};
  Result<std::unique_ptr<OptimisedCode>> code =
      compiler_({.engine = &engine_,
                 .flags = &flags_,
                 .flag_imports = state_->flag_imports,
                 .canonical_types = state_->canonical_types,
                 .call_guest = call_guest_,
                 .call_builtin = code_->code.entry<std::remove_pointer_t<CallBuiltinThunk>>(code_->builtin_call)},
                *module_, bodies);
  if (!code) return std::move(code).error();
  return install(std::move(*code));
}

Status Tiers::install(std::unique_ptr<OptimisedCode> code) {
  std::vector<baseline::OptimisedEntry> entries;
  for (const OptimisedFunction& function : code->functions()) {
    entries.push_back({.type = module_->functions[function.function].type, .entry = function.slots_entry});
  }
  if (entries.empty()) return Ok{};
  Result<baseline::EntryStubs> stubs = baseline::make_entry_stubs(engine_, *code_, entries);
  if (!stubs) return std::move(stubs).error();

  const std::scoped_lock hold(mutex_);
  Version& version = versions_.emplace_back(std::move(code), std::move(*stubs));
  pieces_.add(*version.code);  // before anybody can trap in it
  const std::span<const OptimisedFunction> functions = version.code->functions();
  PatchBatch batch(engine_);
  for (std::size_t i = 0; i < functions.size(); ++i) {
    const std::uint32_t index = defined(functions[i].function);
    batch.retarget(keys_[index], site_of(index), state_of(EntryState::Optimised), version.stubs.stubs[i]);
    batch.set(keys_[index], state_of(EntryState::Optimised));
  }
  if (Result<CommitReport> committed = batch.commit(); !committed) {
    pieces_.remove(*version.code);
    versions_.pop_back();
    return std::move(committed).error();
  }
  for (const OptimisedFunction& function : functions) assign(defined(function.function), {&version, function.body});
  return Ok{};
}

Status Tiers::revert(std::span<const std::uint32_t> functions) {
  const std::scoped_lock hold(mutex_);
  PatchBatch batch(engine_);
  for (const std::uint32_t function : functions) {
    batch.set(keys_[defined(function)], state_of(EntryState::Baseline));
  }
  if (Result<CommitReport> committed = batch.commit(); !committed) return std::move(committed).error();
  for (const std::uint32_t function : functions) assign(defined(function), {});
  return Ok{};
}

void Tiers::assign(std::uint32_t defined_function, Function now) {
  Function& function = functions_[defined_function];
  if (function.version != nullptr) --function.version->functions;
  if (now.version != nullptr) ++now.version->functions;
  function = now;
  for (const std::span<FuncRef> instance : instances_) set_optimised(instance[defined_function], now.body);
}

Result<std::size_t> Tiers::collect(const WaitLimit& limit) {
  const std::scoped_lock one_at_a_time(collecting_);
  std::vector<Version*> unused;
  {
    const std::scoped_lock hold(mutex_);
    for (Version& version : versions_) {
      if (version.functions == 0) unused.push_back(&version);
    }
  }
  std::size_t left = 0;
  for (Version* const version : unused) {
    const Code& code = version->code->code();
    const std::array extents = {CodeExtent{code.data(), code.size()},
                                CodeExtent{version->stubs.code.data(), version->stubs.code.size()}};
    if (Result<QuiescenceReport> drained = engine_.drain(extents, limit); !drained) {
      if (drained.error().code() != ErrorCode::TimedOut) return std::move(drained).error();
      ++left;
      continue;
    }
    const std::scoped_lock hold(mutex_);
    pieces_.remove(*version->code);
    versions_.remove_if([version](const Version& other) { return &other == version; });
  }
  return left;
}

void Tiers::add_instance(std::span<FuncRef> functions) {
  const std::scoped_lock hold(mutex_);
  instances_.push_back(functions);
  for (std::size_t i = 0; i < functions.size(); ++i) set_optimised(functions[i], functions_[i].body);
}

void Tiers::remove_instance(std::span<FuncRef> functions) {
  const std::scoped_lock hold(mutex_);
  std::erase_if(instances_, [&](std::span<FuncRef> other) { return other.data() == functions.data(); });
}

}  // namespace shunt::wasm
