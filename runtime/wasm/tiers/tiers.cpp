#include "runtime/wasm/tiers/tiers.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <utility>

#include "runtime/wasm/module/module_state.h"
#include "runtime/wasm/tiers/module_bodies.h"
#include "shunt/patch_batch.h"

namespace shunt::wasm {
namespace {

constexpr auto state_of = [](EntryState state) { return static_cast<unsigned>(state); };

// Entries and turns of loops until a function is hot; and which part of it makes one warm.
constexpr std::int32_t hot_count = 10'000;
constexpr std::int32_t warm_part = 8;

// Release: who calls through the pointer finds the code that was published before.
void set_optimised(FuncRef& reference, const void* body) {
  std::atomic_ref(reference.optimised).store(body, std::memory_order_release);
}

}  // namespace

Status Tiers::prepare(std::size_t defined_functions, BaselineOptions& options) {
  for (std::size_t i = 0; i < defined_functions; ++i) keys_.emplace_back("tier", entry_states);
  options.entry_keys = &keys_;
  if (when_ == When::Asked) return Ok{};
  counters_.assign(defined_functions, hot_count);
  seen_ = counters_;
  options.entry_counters = counters_.data();
  PatchBatch batch(engine_);  // there are no sites yet
  for (StaticSwitch& key : keys_) batch.set(key, state_of(EntryState::Count));
  if (Result<CommitReport> committed = batch.commit(); !committed) return std::move(committed).error();
  return Ok{};
}

void Tiers::begin(const ModuleState& module, std::span<const std::uint8_t> bytes) {
  state_ = &module;
  module_ = module.data.get();
  code_ = module.code.get();
  functions_.resize(keys_.size());
  for (const std::uint32_t thunk : code_->guest_calls) {
    call_guest_.push_back(code_->code.entry<std::remove_pointer_t<CallGuestThunk>>(thunk));
  }
  if (when_ == When::Asked || keys_.empty()) return;
  bytes_.assign(bytes.begin(), bytes.end());
  hot_.emplace([this] { return look(); });
}

// On the thread that looks for hot functions. What is warm is compiled with them: it is probably what they call.
HotFunctions::Found Tiers::look() {
  std::vector<std::uint32_t> warm;
  bool moves = false;
  bool is_hot = false;
  for (std::size_t i = 0; i < counters_.size(); ++i) {
    if (keys_[i].state() != state_of(EntryState::Count)) continue;
    // Relaxed: a count, which orders nothing.
    const std::int32_t count = std::atomic_ref(counters_[i]).load(std::memory_order_relaxed);
    moves = moves || count != seen_[i];
    seen_[i] = count;
    is_hot = is_hot || count <= 0;
    if (count <= hot_count - hot_count / warm_part) warm.push_back(module_->imported_functions + i);
  }
  constexpr std::chrono::milliseconds patience{100};
  (void)collect(patience);  // what is left is tried again at the next look
  if (!is_hot) return moves ? HotFunctions::Found::Work : HotFunctions::Found::Nothing;
  const auto start = std::chrono::steady_clock::now();
  const Result<ModuleBodies> bodies = ModuleBodies::read(bytes_, *module_, &warm);
  const Status compiled = bodies ? compile(bodies->all()) : Status(bodies.error());
  const auto time = std::chrono::steady_clock::now() - start;
  if (!compiled) (void)give_up(warm);
  const std::scoped_lock hold(mutex_);
  stats_.compile_ns += static_cast<std::uint64_t>(std::chrono::nanoseconds(time).count());
  if (!compiled) ++stats_.failed;
  return HotFunctions::Found::Work;
}

// They stay in the baseline, and are counted no more.
Status Tiers::give_up(std::span<const std::uint32_t> functions) {
  PatchBatch batch(engine_);
  for (const std::uint32_t function : functions) {
    batch.set(keys_[defined(function)], state_of(EntryState::Baseline));
  }
  if (Result<CommitReport> committed = batch.commit(); !committed) return std::move(committed).error();
  return Ok{};
}

runtime::TierStats Tiers::stats() {
  const std::scoped_lock hold(mutex_);
  runtime::TierStats stats = stats_;
  for (const Function& function : functions_) stats.optimised += function.version == nullptr ? 0 : 1;
  for (const Version& version : versions_) stats.code_bytes += version.code->code().size();
  return stats;
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
    const std::uint32_t index = defined(function);
    if (!counters_.empty()) std::atomic_ref(counters_[index]).store(hot_count, std::memory_order_relaxed);  // a count
    batch.set(keys_[index], state_of(counters_.empty() ? EntryState::Baseline : EntryState::Count));
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
