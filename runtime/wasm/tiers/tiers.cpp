#include "runtime/wasm/tiers/tiers.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <utility>

#include "runtime/wasm/module/module_state.h"
#include "runtime/wasm/tiers/module_bodies.h"
#include "shunt/patch_batch.h"

namespace shunt::wasm {
namespace {

constexpr auto state_of = [](EntryState state) { return static_cast<unsigned>(state); };

constexpr std::int32_t warm_part = 8;  // of what makes a function hot

// Release: who calls through the pointer finds the code that was published before.
void set_optimised(FuncRef& reference, const void* body) {
  std::atomic_ref(reference.optimised).store(body, std::memory_order_release);
}

}  // namespace

Status Tiers::prepare(std::size_t defined_functions, BaselineOptions& options) {
  for (std::size_t i = 0; i < defined_functions; ++i) keys_.emplace_back("tier", entry_states);
  options.entry_keys = &keys_;
  interrupt_ = options.interrupt;
  if (when_ == When::Asked) return Ok{};
  counters_.assign(defined_functions, hot_count_);
  seen_ = counters_;
  options.entry_counters = counters_.data();
  options.loop_counters = &loops_.counters();
  PatchBatch batch(engine_);  // there are no sites yet
  for (StaticSwitch& key : keys_) batch.set(key, state_of(EntryState::Count));
  if (Result<CommitReport> committed = batch.commit(); !committed) return std::move(committed).error();
  return Ok{};
}

Status Tiers::begin(const ModuleState& module, std::span<const std::uint8_t> bytes) {
  state_ = &module;
  module_ = module.data.get();
  code_ = module.code.get();
  functions_.resize(keys_.size());
  loops_.begin(*code_, module_->imported_functions, keys_.size());
  for (const std::uint32_t thunk : code_->guest_calls) {
    call_guest_.push_back(code_->code.entry<std::remove_pointer_t<CallGuestThunk>>(thunk));
  }
  if (when_ == When::Asked || keys_.empty()) return Ok{};
  bytes_.assign(bytes.begin(), bytes.end());
  return hot_.emplace().start([this] { return look(); });
}

// A function that is not optimised is hot by its entries and its loops' turns. Its loops are worth an entry each if
// they turn long in one call. A function that is optimised is hot again if a call that began before goes on and on.
void Tiers::measure(std::uint32_t i, Heat& heat, std::vector<LoopEntries::Wanted>& loops) {
  const std::uint64_t warm_count = std::max(1, hot_count_ / warm_part);
  if (keys_[i].state() == state_of(EntryState::Baseline)) return;
  const LoopEntries::Turns turns = loops_.look(i);
  if (functions_[i].version != nullptr) {
    heat.moves = heat.moves || turns.moves;
    if (turns.most < static_cast<std::uint32_t>(hot_count_)) return;
    heat.is_hot = true;
    // With it those that were compiled with it, so that they still call each other directly.
    for (std::uint32_t other = 0; other < functions_.size(); ++other) {
      if (functions_[other].version != functions_[i].version) continue;
      heat.warm.push_back(module_->imported_functions + other);
      loops_.want(other, warm_count, loops);
    }
    return;
  }
  // Relaxed: a count, which orders nothing. It wraps around.
  const std::int32_t left = std::atomic_ref(counters_[i]).load(std::memory_order_relaxed);
  const std::uint64_t entries = static_cast<std::uint32_t>(hot_count_) - static_cast<std::uint32_t>(left);
  heat.moves = heat.moves || turns.moves || left != std::exchange(seen_[i], left);
  heat.is_hot = heat.is_hot || entries + turns.all >= static_cast<std::uint64_t>(hot_count_);
  if (entries + turns.all < warm_count) return;
  heat.warm.push_back(module_->imported_functions + i);
  loops_.want(i, warm_count * std::max<std::uint64_t>(entries, 1), loops);
}

Tiers::Heat Tiers::measure() {
  const std::scoped_lock hold(mutex_);
  Heat heat;
  if (holds_ != 0) return heat;
  std::vector<LoopEntries::Wanted> loops;
  for (std::uint32_t i = 0; i < counters_.size(); ++i) measure(i, heat, loops);
  // Functions that were compiled together may have been looked at more than once.
  constexpr auto place = [](const LoopEntries::Wanted& wanted) {
    return std::pair(wanted.loop.function, wanted.loop.module_offset);
  };
  std::ranges::sort(loops, {}, place);
  loops.erase(std::ranges::unique(loops, {}, place).begin(), loops.end());
  std::ranges::sort(loops, std::ranges::greater{}, &LoopEntries::Wanted::turns);
  for (const LoopEntries::Wanted& wanted : loops) heat.loops.push_back(wanted.loop);
  std::sort(heat.warm.begin(), heat.warm.end());
  heat.warm.erase(std::unique(heat.warm.begin(), heat.warm.end()), heat.warm.end());
  return heat;
}

// On the thread that looks for hot functions. What is warm is compiled with them: it is probably what they call.
HotFunctions::Found Tiers::look() {
  const Heat heat = measure();
  constexpr std::chrono::milliseconds patience{100};
  (void)collect(patience);  // what is left is tried again at the next look
  if (!heat.is_hot) return heat.moves ? HotFunctions::Found::Work : HotFunctions::Found::Nothing;
  const auto start = std::chrono::steady_clock::now();
  const Result<ModuleBodies> bodies = ModuleBodies::read(bytes_, *module_, &heat.warm);
  const Status compiled = bodies ? compile(bodies->all(), heat.loops) : Status(bodies.error());
  const auto time = std::chrono::steady_clock::now() - start;
  if (!compiled) (void)give_up(heat.warm);
  const std::scoped_lock hold(mutex_);
  stats_.compile_ns += static_cast<std::uint64_t>(std::chrono::nanoseconds(time).count());
  if (!compiled) ++stats_.failed;
  return HotFunctions::Found::Work;
}

// They stay in the tier that they are in, and are counted no more.
Status Tiers::give_up(std::span<const std::uint32_t> functions) {
  const std::scoped_lock hold(mutex_);
  PatchBatch batch(engine_);
  for (const std::uint32_t function : functions) {
    const std::uint32_t index = defined(function);
    if (functions_[index].version != nullptr) {
      loops_.stop_counting(batch, keys_[index], index);
    } else {
      batch.set(keys_[index], state_of(EntryState::Baseline));
    }
  }
  if (Result<CommitReport> committed = batch.commit(); !committed) return std::move(committed).error();
  return Ok{};
}

runtime::TierStats Tiers::stats() {
  const std::scoped_lock hold(mutex_);
  runtime::TierStats stats = stats_;
  for (const Function& function : functions_) stats.optimised += function.version == nullptr ? 0 : 1;
  for (const Version& version : versions_) stats.code_bytes += version.code->code().size();
  stats.loops = loops_.entered();
  stats.loop_entries = loop_entries_.load(std::memory_order_relaxed);  // a count
  return stats;
}

std::vector<Tiers::Site> Tiers::sites() {
  const std::scoped_lock hold(mutex_);
  std::vector<Site> sites;
  for (const Version& version : versions_) {
    const Code& code = version.code->code();
    for (SiteInfo& site : engine_.sites(code)) {
      const auto offset = static_cast<std::uint32_t>(site.address - code.data());
      const auto place = version.code->place_of(reinterpret_cast<std::uintptr_t>(site.address));
      sites.push_back({std::move(site), offset, place});
    }
  }
  return sites;
}

namespace {

bool is_too_large(const FunctionBody& body, const runtime::ModuleLimits& limits) {
  if (body.size > limits.optimised_body_bytes) return true;
  const auto opens = [](const Op& op) {
    return op.opcode == wabt::Opcode::Block || op.opcode == wabt::Opcode::Loop || op.opcode == wabt::Opcode::If;
  };
  const auto blocks = static_cast<std::uint64_t>(std::ranges::count_if(body.ops, opens));
  return blocks * body.locals.size() > limits.optimised_values;
}

}  // namespace

Status Tiers::compile(std::span<const FunctionBody> bodies, std::span<const CodePlace> loops) {
  const auto is_large = [this](const FunctionBody& body) { return is_too_large(body, module_->limits); };
  if (std::ranges::none_of(bodies, is_large)) return compile_all(bodies, loops);
  std::vector<FunctionBody> small;
  std::vector<std::uint32_t> large;
  for (const FunctionBody& body : bodies) {
    if (is_large(body)) {
      large.push_back(body.function);
    } else {
      small.push_back(body);
    }
  }
  if (Status stay = give_up(large); !stay) return stay;
  return compile_all(small, loops);
}

Status Tiers::compile_all(std::span<const FunctionBody> bodies, std::span<const CodePlace> loops) {
  if (bodies.empty()) return Ok{};
  Result<std::unique_ptr<OptimisedCode>> code =
      compiler_({.engine = &engine_,
                 .flags = &flags_,
                 .flag_imports = state_->flag_imports,
                 .canonical_types = state_->canonical_types,
                 .call_guest = call_guest_,
                 .call_builtin = code_->code.entry<std::remove_pointer_t<CallBuiltinThunk>>(code_->builtin_call),
                 .tier_keys = &keys_,
                 .loops = loops,
                 .loop_entries = &loop_entries_,
                 .assumptions = state_->assumptions.get(),
                 .interrupt = interrupt_,
                 .interrupt_entry = code_->code.data() + code_->optimised_detour},
                *module_, bodies);
  if (!code) return std::move(code).error();
  {
    const std::scoped_lock hold(mutex_);
    loops_.refused(loops, **code);
  }
  return install(std::move(*code));
}

Status Tiers::install(std::unique_ptr<OptimisedCode> code) {
  std::vector<baseline::OptimisedEntry> entries;
  for (const OptimisedFunction& function : code->functions()) {
    const std::uint32_t type = module_->functions[function.function].type;
    entries.push_back({.entry = function.slots_entry, .thunk = code_->optimised_thunks[type]});
  }
  if (entries.empty()) return Ok{};
  const std::scoped_lock hold(mutex_);
  loops_.add_stubs(*code, entries);
  Result<baseline::EntryStubs> stubs = baseline::make_entry_stubs(engine_, *code_, entries);
  if (!stubs) return std::move(stubs).error();
  Version& version = versions_.emplace_back(std::move(code), std::move(*stubs));
  pieces_.add(*version.code);  // before anybody can trap in it
  const std::span<const OptimisedFunction> functions = version.code->functions();
  const unsigned state = state_of(holds_ == 0 ? EntryState::Optimised : EntryState::Baseline);
  PatchBatch batch(engine_);
  for (std::size_t i = 0; i < functions.size(); ++i) {
    const std::uint32_t index = defined(functions[i].function);
    batch.retarget(keys_[index], site_of(index), state_of(EntryState::Optimised), version.stubs.stubs[i]);
    batch.set(keys_[index], state);
  }
  redirect_outside_calls(batch, version);
  loops_.lead(batch, keys_, *version.code, std::span(version.stubs.stubs).subspan(functions.size()));
  if (Result<CommitReport> committed = batch.commit(); !committed) {
    pieces_.remove(*version.code);
    versions_.pop_back();
    return std::move(committed).error();
  }
  for (const OptimisedFunction& function : functions) assign(defined(function.function), {&version, function.body});
  loops_.installed(*version.code);
  return Ok{};
}

// Calls between versions. Older versions call the functions that `version`, the newest, has, and it calls those that
// have a version already. Whether a call goes there is the state of its function's key, which the same batch sets.
void Tiers::redirect_outside_calls(PatchBatch& batch, const Version& version) {
  const auto redirect = [&](const OutsideEntry& entry, const void* body) {
    batch.retarget(keys_[defined(entry.function)], entry.site, state_of(EntryState::Optimised), body);
  };
  const std::span<const OptimisedFunction> functions = version.code->functions();
  for (const Version& older : versions_) {
    if (&older == &version) continue;
    for (const OutsideEntry& entry : older.code->outside()) {
      const auto callee = std::ranges::lower_bound(functions, entry.function, {}, &OptimisedFunction::function);
      if (callee != functions.end() && callee->function == entry.function) redirect(entry, callee->body);
    }
  }
  for (const OutsideEntry& entry : version.code->outside()) {
    if (const void* const body = functions_[defined(entry.function)].body) redirect(entry, body);
  }
}

Status Tiers::revert(std::span<const std::uint32_t> functions) {
  const std::scoped_lock hold(mutex_);
  PatchBatch batch(engine_);
  for (const std::uint32_t function : functions) {
    const std::uint32_t index = defined(function);
    if (!counters_.empty()) std::atomic_ref(counters_[index]).store(hot_count_, std::memory_order_relaxed);  // a count
    batch.set(keys_[index], state_of(counters_.empty() ? EntryState::Baseline : EntryState::Count));
  }
  if (Result<CommitReport> committed = batch.commit(); !committed) return std::move(committed).error();
  for (const std::uint32_t function : functions) {
    assign(defined(function), {});
    loops_.reverted(defined(function));
  }
  return Ok{};
}

void Tiers::assign(std::uint32_t defined_function, Function now) {
  Function& function = functions_[defined_function];
  if (function.version != nullptr) --function.version->functions;
  if (now.version != nullptr) ++now.version->functions;
  function = now;
  tell_instances(defined_function);
}

void Tiers::tell_instances(std::uint32_t defined_function) {
  const void* const body = holds_ == 0 ? functions_[defined_function].body : nullptr;
  for (const std::span<FuncRef> instance : instances_) set_optimised(instance[defined_function], body);
}

// The entries of all functions that have a version.
Status Tiers::switch_optimised(EntryState state) {
  PatchBatch batch(engine_);
  for (std::size_t i = 0; i < functions_.size(); ++i) {
    if (functions_[i].version != nullptr) batch.set(keys_[i], state_of(state));
  }
  if (Result<CommitReport> committed = batch.commit(); !committed) return std::move(committed).error();
  return Ok{};
}

Status Tiers::hold_in_baseline() {
  const std::scoped_lock hold(mutex_);
  if (holds_ == 0) {
    if (Status switched = switch_optimised(EntryState::Baseline); !switched) return switched;
  }
  ++holds_;
  for (std::uint32_t i = 0; holds_ == 1 && i < functions_.size(); ++i) tell_instances(i);
  return Ok{};
}

Status Tiers::let_optimise() {
  const std::scoped_lock hold(mutex_);
  if (holds_ == 1) {
    if (Status switched = switch_optimised(EntryState::Optimised); !switched) return switched;
  }
  --holds_;
  for (std::uint32_t i = 0; holds_ == 0 && i < functions_.size(); ++i) tell_instances(i);
  return Ok{};
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
  for (std::size_t i = 0; i < functions.size(); ++i) {
    set_optimised(functions[i], holds_ == 0 ? functions_[i].body : nullptr);
  }
}

void Tiers::remove_instance(std::span<FuncRef> functions) {
  const std::scoped_lock hold(mutex_);
  std::erase_if(instances_, [&](std::span<FuncRef> other) { return other.data() == functions.data(); });
}

}  // namespace shunt::wasm
