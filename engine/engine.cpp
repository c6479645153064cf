#include "shunt/engine.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <new>
#include <string>
#include <utility>

#include "arch/backend.h"
#include "engine/engine_impl.h"
#include "engine/fork_handlers.h"
#include "engine/memory/alias_probe.h"
#include "engine/patch/engine_parts.h"
#include "engine/patch/mutant.h"
#include "engine/serialise/mechanism.h"

namespace shunt {

using detail::SiteView;

namespace {

constexpr std::size_t min_reservation = 64 * 1024;

detail::TrapFill trap_fill(InstructionSet set) noexcept {
  return set == InstructionSet::X86_64 ? &arch::x86_64::fill_with_traps : &arch::arm64::fill_with_traps;
}

// In half of what direct branches reach, or less, each place reaches each other one.
std::size_t default_reservation(InstructionSet set) noexcept {
  return set == InstructionSet::X86_64 ? std::size_t{1} << 30 : std::size_t{arch::arm64::branch_range};
}

// Code memory in which flips are executed.
Result<detail::DualMapping> map_code(const EngineOptions& options, const detail::EngineParts& parts) {
  const auto executes = [&](const detail::DualMapping& mapping) {
    return detail::executes_alias_writes({mapping.rx(), mapping.rw()}, *parts.patcher);
  };
  Result<detail::DualMapping> mapping = detail::DualMapping::create(
      options.code_reservation, options.anonymous_code ? detail::Backing::Anonymous : parts.backing);
  if (!mapping || !parts.probes_alias || executes(*mapping)) return mapping;
  if (options.allow_writable_code) {
    mapping = detail::DualMapping::create(options.code_reservation, detail::Backing::Writable);
    if (!mapping || executes(*mapping)) return mapping;
  }
  return make_error(ErrorCode::AliasWritesNotExecuted,
                    "this emulator goes on executing code as it was before it was rewritten through another mapping; "
                    "use qemu-user 10 or later, or valgrind --smc-check=all" +
                        std::string(options.allow_writable_code
                                        ? "; one writable mapping (EngineOptions::allow_writable_code) did not help"
                                        : "; or set EngineOptions::allow_writable_code, which gives up W^X there"));
}

}  // namespace

Engine::Impl::Impl(Engine& owner, const EngineOptions& options, detail::DualMapping mapping,
                   std::unique_ptr<detail::Patcher> new_patcher, std::unique_ptr<detail::CoreSerialiser> new_serialiser)
    : engine(owner),
      memory(std::move(mapping), trap_fill(new_patcher->instruction_set())),
      code_region{{memory.rx(), memory.rw()}, memory.size(), 0},
      patcher(std::move(new_patcher)),
      serialiser(detail::make_counting_serialiser(std::move(new_serialiser), seeing.counters)),
      strict(options.cross_modification == CrossModification::Strict),
      breakpoints_in_host_text(options.breakpoints_in_host_text),
      regions{&code_region},
      table(code_region),
      veneers(memory, code_region, *patcher),
      call_code(memory, code_region, *patcher, veneers) {
  detail::hold_at_fork(*this, detail::ForkOrder::Engine);
}

Engine::Impl::~Impl() {
  detail::release_at_fork(*this);
  requests.forget_all();
  for (const auto& sites : table.keys()) {
    KeyBase& key = *sites->key;
    // The next engine starts from here. Nobody executes the sites any more, so that what was written is complete.
    key.state_.store(sites->written, std::memory_order_relaxed);
    key.unserialised_.store(false, std::memory_order_relaxed);
    if (key.kind() == KeyKind::Call) leave_call(*sites);
    key.sites_ = nullptr;
    key.site_count_.store(0, std::memory_order_relaxed);  // a count for reports, see static_key.h
    key.engine_.store(nullptr, std::memory_order_release);
  }
}

void Engine::Impl::lock_before_fork() {
  seeing.lock_before_commits();
  commit_lock.lock();
  memory.lock().lock();
  seeing.lock_after_commits();
  quiescence.lock_before_fork();
}

// In the child: other threads are not there, nor is the engine's own; what is queued is, but for the callbacks.
void Engine::Impl::forget_other_threads() noexcept {
  commit_lock.forget_other_threads();
  service->forget_thread();
  waiting.forget_other_threads();
}

void Engine::Impl::unlock_after_fork(detail::ForkSide side) noexcept {
  if (side == detail::ForkSide::Child) forget_other_threads();
  quiescence.unlock_after_fork();
  share_host_text();
  for (const auto& adopted : host_modules) {
    if (adopted->text) adopted->text->after_fork(side);
  }
  memory.after_fork(side);
  memory.lock().unlock();
  commit_lock.unlock();
  seeing.unlock_all();
}

// After fork(), parent and child have one memory object. Whoever writes next takes one of its own first:
//
//   1. a copy, with traps in what was freed meanwhile, cache-maintained
//   2. its mappings take the places of the old ones; other threads execute the code all the while
//   3. one core serialisation: what cores fetched from the old object is the same, but stores to the new one would not
//      reach it
//
// If the core serialisation fails, nothing was written, and the next one who writes begins there.
Status Engine::Impl::own_code_memory() noexcept {
  if (memory.in_foreign_child() && !mutated(detail::Mutant::WriteInClone)) return detail::made_before_clone();
  if (memory.shared() && !mutated(detail::Mutant::KeepSharing)) {
    const auto maintain = [this](const detail::CodeViews& fresh, std::uint32_t size) {
      if (mutated(detail::Mutant::SkipCopyMaintenance)) return;
      const detail::Region copied{fresh, memory.size(), 0};
      const detail::Region* const region = &copied;
      const arch::CodeRange range{0, size, 0};
      patcher->maintain({&region, 1}, {&range, 1});
    };
    try {
      if (Status status = memory.make_own(maintain); !status) {
        return make_error(status.error().code(), "code memory is shared since fork(), and cannot be copied: " +
                                                     status.error().message() + "; nothing was written");
      }
    } catch (const std::bad_alloc&) {
      return make_error(ErrorCode::OutOfMemory, "no heap memory to copy code memory after fork(); nothing was written");
    }
    remapped = !mutated(detail::Mutant::SkipCopySerialisation);
  }
  if (!remapped) return Ok{};
  if (Status status = serialiser->serialise(); !status) {
    return make_error(status.error().code(), status.error().message() + "; of this batch nothing was written");
  }
  remapped = false;
  return Ok{};
}

Status Engine::Impl::bind(KeyBase& key) {
  if (!serves_host_sites && detail::HostModules::has_sites(key)) {
    return make_error(ErrorCode::KeyBelongsToOtherEngine,
                      std::string("key \"") + key.name() + "\" has host sites, which belong to Engine::process()");
  }
  Engine* owner = key.engine_.load(std::memory_order_acquire);  // orders: see static_key.h
  if (owner == nullptr)
    key.engine_.compare_exchange_strong(owner, &engine, std::memory_order_acq_rel, std::memory_order_acquire);
  if (owner != nullptr && owner != &engine) {
    return make_error(
        ErrorCode::KeyBelongsToOtherEngine,
        std::string("key \"") + key.name() + "\" belongs to another engine, the first that it was used with");
  }
  constexpr unsigned max_states = 256;
  if (key.states() < 2 || key.states() > max_states) {
    return make_error(ErrorCode::InvalidArgument, std::string("key \"") + key.name() + "\" has " +
                                                      std::to_string(key.states()) + " states; 2 to 256 are possible");
  }
  if (key.sites_ == nullptr) {
    // No batch of this engine has touched the key yet, so its state is the initial one, or what an earlier engine left.
    key.sites_ = table.add_key(key, key.state());
    if (key.kind() == KeyKind::Demotable && detail::DemotableStates(key).demoted(key.state()))
      seeing.rates.some_demoted.store(true, std::memory_order_relaxed);  // under commit_lock
  }
  return Ok{};
}

void Engine::Impl::end_key(KeyBase& key) noexcept {
  commit_lock.lock();
  if (mutated(detail::Mutant::DropWishOfEndingKey)) requests.forget(key);
  if (key.pending_.load(std::memory_order_acquire) != 0) {  // nothing may be left that names the key
    lead(nullptr);
    commit_lock.lock();
    if (key.pending_.load(std::memory_order_acquire) != 0) requests.forget(key);
  }
  const std::lock_guard hold(commit_lock, std::adopt_lock);
  if (key.sites_ == nullptr) return;
  if (key.sites_->unserialised) forget_unserialised(*key.sites_);
  forget_host_sites(*key.sites_);
  end_call(*key.sites_);
  table.remove_key(*key.sites_);
  key.sites_ = nullptr;
}

KeyBase::~KeyBase() {
  Engine* const engine = engine_.load(std::memory_order_acquire);  // see static_key.h
  if (engine != nullptr) engine->impl_->end_key(*this);
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() {
  if (impl_ == nullptr) return;
  impl_->service->stop();
  impl_->quiescence.stop();  // retired code ends while the tables still stand; tickets that wait for threads complete
  impl_->seeing.watch.end();
}

Result<Engine*> Engine::process() {
  bool made_now = false;
  return process(nullptr, made_now);
}

Result<Engine*> Engine::make_process(const EngineOptions& options) {
  bool made_now = false;
  Result<Engine*> engine = process(&options, made_now);
  if (!engine || made_now) return engine;
  return make_error(
      ErrorCode::InvalidArgument,
      "make_process: the process's engine was made before, with other options; call this first in main()");
}

Result<Engine*> Engine::process(const EngineOptions* options, bool& made_now) try {
  static constinit std::atomic<Engine*> made{nullptr};  // release and acquire: who sees it sees it whole
  static constinit std::mutex lock;                     // protects what is below, and the making
  static auto* const wanted = new EngineOptions;        // of the last make_process()
  if (Engine* const engine = made.load(std::memory_order_acquire)) return engine;
  const std::lock_guard hold(lock);
  if (Engine* const engine = made.load(std::memory_order_relaxed)) return engine;  // stored under the lock
  if (options != nullptr) *wanted = *options;
  Result<std::unique_ptr<Engine>> engine = create(*wanted);
  if (!engine) return engine.error();
  (**engine).impl_->serves_host_sites = true;
  detail::HostModules::serve(**engine);
  made_now = true;
  made.store(engine->get(), std::memory_order_release);
  return engine->release();  // never destroyed: code may run until the process ends
} catch (const std::bad_alloc&) {
  return make_error(ErrorCode::OutOfMemory, "no heap memory to make the process's engine");
}

Result<std::unique_ptr<Engine>> Engine::create(const EngineOptions& options) try {
  if (Status status = detail::register_fork_handlers(); !status) return status.error();
  Result<std::unique_ptr<detail::CoreSerialiser>> serialiser = detail::make_core_serialiser(options);
  if (!serialiser) return serialiser.error();
  detail::EngineParts parts{detail::make_host_patcher(), std::move(*serialiser)};
  parts.probes_alias = true;
  return create(options, std::move(parts));
} catch (const std::bad_alloc&) {
  return make_error(ErrorCode::OutOfMemory, "no heap memory to make an engine");
}

Result<std::unique_ptr<Engine>> Engine::create(const EngineOptions& wanted, detail::EngineParts parts) {
  EngineOptions options = wanted;
  if (options.code_reservation == 0) options.code_reservation = default_reservation(parts.patcher->instruction_set());
  if (options.code_reservation < min_reservation || options.code_reservation > detail::CodeMemory::max_reservation) {
    return make_error(ErrorCode::InvalidArgument, "EngineOptions::code_reservation is " +
                                                      std::to_string(options.code_reservation) +
                                                      "; 64 KiB to 2 GiB are possible");
  }
  Result<detail::DualMapping> mapping = map_code(options, parts);
  if (!mapping) return mapping.error();
  std::unique_ptr<Engine> engine(new Engine(nullptr));
  engine->impl_ = std::make_unique<Impl>(*engine, options, std::move(*mapping), std::move(parts.patcher),
                                         std::move(parts.serialiser));
  engine->impl_->seeing.rates.configure(options.flip_limit, parts.clock);
  engine->impl_->watches_demoted_keys = parts.watches_demoted_keys;
  return engine;
}

detail::CodeViews detail::code_views(const Engine& engine) noexcept {
  return engine.impl_->views();
}

InstructionSet Engine::instruction_set() const noexcept {
  return impl_->patcher->instruction_set();
}

Result<Engine::Allocation> Engine::allocate(std::size_t size) {
  if (size == 0) return make_error(ErrorCode::InvalidArgument, "allocate: code of 0 bytes");
  Result<detail::CodeMemory::Place> place = impl_->memory.allocate(size);
  if (!place) return place.error();
  return Allocation{impl_->memory.rx() + place->offset, place->staging, size};
}

void Engine::release(const Allocation& allocation) noexcept {
  if (allocation.rx == nullptr) return;
  (void)impl_->memory.free(impl_->offset_of(allocation.rx), allocation.size);  // staging memory: nothing is filled
}

Result<Code> Engine::publish(const Allocation& allocation, std::span<const NewSite> sites,
                             std::span<Assumption* const> dependencies) {
  return impl_->seeing.counters.publication(impl_->publish(allocation, sites, dependencies, true));
}

Result<Code> Engine::publish_nosync(const Allocation& allocation, std::span<const NewSite> sites,
                                    std::span<Assumption* const> dependencies) {
  return impl_->seeing.counters.publication(impl_->publish(allocation, sites, dependencies, false));
}

std::vector<const std::uint8_t*> Engine::dependents(const Assumption& assumption) const {
  std::vector<const std::uint8_t*> all;
  const std::lock_guard hold(impl_->commit_lock);
  if (assumption.engine_.load(std::memory_order_acquire) != this || assumption.sites_ == nullptr) return all;
  for (std::uint32_t begin : impl_->table.code_of(*assumption.sites_)) all.push_back(impl_->memory.rx() + begin);
  return all;
}

Status Engine::resynchronise() {
  const std::lock_guard hold(impl_->commit_lock);
  if (!impl_->unserialised) return Ok{};
  if (Status status = impl_->own_code_memory(); !status) return status;
  impl_->begin_plan();  // nothing is written: no other key is concerned
  CommitReport report;
  return impl_->serialise_steps(report);
}

std::vector<SiteInfo> Engine::sites(const Code& code) const {
  std::vector<SiteInfo> infos;
  if (code.engine_ != this) return infos;
  const std::uint32_t begin = impl_->offset_of(code.rx_);
  const std::lock_guard hold(impl_->commit_lock);
  for (const auto& sites : impl_->table.keys_of_code(begin)) {
    if (sites->key == nullptr) continue;
    for (const detail::SiteGroup& group : sites->groups) {
      if (group.region != &impl_->code_region) continue;
      group.records.for_each_slot_in(begin, begin + static_cast<std::uint32_t>(code.size_), [&](std::size_t slot) {
        const SiteView site = group.records.at(slot);
        SiteInfo info{impl_->memory.rx() + site.offset,
                      impl_->patcher->site_length(site.form, site.offset),
                      site.form,
                      sites->written,
                      sites->key,
                      {},
                      {}};
        for (unsigned state = detail::first_branching_state(site.form); state < sites->key->states(); ++state) {
          const std::uint32_t branch = site.target(state);
          info.branches.push_back(impl_->memory.rx() + branch);
          info.targets.push_back(impl_->memory.rx() + impl_->veneers.target_of(branch));
        }
        infos.push_back(std::move(info));
      });
    }
  }
  std::sort(infos.begin(), infos.end(), [](const SiteInfo& a, const SiteInfo& b) { return a.address < b.address; });
  return infos;
}

std::string Engine::instruction(const SiteInfo& site, unsigned state) const {
  const unsigned first = detail::first_branching_state(site.form);
  const std::uint32_t target = impl_->offset_of(site.branches[state < first ? 0 : state - first]);
  const SiteView view{impl_->offset_of(site.address), site.form, &target};
  return impl_->patcher->instruction(impl_->views(), view, state < first ? 0 : first);  // `view` has this target alone
}

std::string Engine::instruction_now(const SiteInfo& site) const {
  const std::lock_guard hold(impl_->commit_lock);
  return impl_->patcher->instruction_now(impl_->views(), {impl_->offset_of(site.address), site.form, nullptr});
}

}  // namespace shunt
