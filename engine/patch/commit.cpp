// Commit: the steps of docs/patching-protocol.md over one batch.
#include <algorithm>
#include <chrono>
#include <new>
#include <string>
#include <utility>

#include "engine/engine_impl.h"
#include "engine/patch/mutant.h"
#include "shunt/patch_batch.h"

namespace shunt {

using detail::CommitPlan;
using detail::KeySites;
using detail::QueuedState;
using detail::QueuedTarget;

struct PatchBatch::Impl {
  Engine* engine;
  std::vector<QueuedState> states;
  std::vector<QueuedTarget> targets;
};

PatchBatch::PatchBatch(Engine& engine) : impl_(std::make_unique<Impl>(Impl{&engine, {}, {}})) {}
PatchBatch::~PatchBatch() = default;
PatchBatch::PatchBatch(PatchBatch&&) noexcept = default;
PatchBatch& PatchBatch::operator=(PatchBatch&&) noexcept = default;

void PatchBatch::set(StaticKey& key, bool on) {
  impl_->states.push_back({&key, on ? 1U : 0U});
}
void PatchBatch::set(StaticSwitch& key, unsigned state) {
  impl_->states.push_back({&key, state});
}

void PatchBatch::retarget(StaticSwitch& key, const void* site, unsigned state, const void* target) {
  impl_->targets.push_back({&key, site, state, target});
}

Result<CommitReport> PatchBatch::commit() {
  Result<CommitReport> result = impl_->engine->impl_->commit(impl_->states, impl_->targets);
  if (!result) impl_->engine->impl_->seeing.counters.failed(result.error().code());
  impl_->states.clear();
  impl_->targets.clear();
  return result;
}

namespace {

// Nanoseconds between the calls.
class PhaseClock {
 public:
  std::uint64_t lap() noexcept {
    const auto now = std::chrono::steady_clock::now();
    return static_cast<std::uint64_t>(std::chrono::nanoseconds(now - std::exchange(last_, now)).count());
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

}  // namespace

// Whether every key is in its wanted state and its last flip complete: then what a commit promises holds already,
// because the flip's own commit established it before it stored state_ (release, acquire here). A key that changes at
// the same moment is ordered after.
bool Engine::Impl::is_complete(std::span<const QueuedState> states) const noexcept {
  return std::all_of(states.begin(), states.end(), [this](const QueuedState& queued) {
    const KeyBase& key = *queued.key;
    return key.engine_.load(std::memory_order_acquire) == &engine &&
           key.state_.load(std::memory_order_acquire) == queued.state &&
           !key.unserialised_.load(std::memory_order_acquire);
  });
}

Result<CommitReport> Engine::Impl::commit(std::span<const QueuedState> states, std::span<const QueuedTarget> targets) {
  CommitReport report;
  report.mechanism = "none";
  if (targets.empty() && is_complete(states)) {
    for (const QueuedState& queued : states) {
      report.sites_unchanged += queued.key->site_count_.load(std::memory_order_relaxed);  // see static_key.h
    }
    report.generation = generation.load(std::memory_order_relaxed);  // see engine_impl.h
    seeing.counters.no_op_commit();
    return report;
  }

  if (memory.in_child()) return detail::made_before_fork();
  const std::lock_guard hold(commit_lock);
  PhaseClock clock;
  // 1. Everything that can be refused: who owns the keys, which sites, ranges, and the bytes of every site that will be
  // written.
  try {
    if (Status status = make_plan(states, targets, report); !status) return status.error();
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::OutOfMemory, "no heap memory to plan the batch; nothing was written");
  }
  if (Status status = check_plan(); !status) return status.error();
  report.check_ns = clock.lap();

  // 2. The sites, through the RW alias.
  if (mutated(detail::Mutant::SerialiseBeforeWrite)) (void)serialiser->serialise();
  report.sites_written = seeing.watch.write(this);
  report.write_ns = clock.lap();

  // 3. Until the stores can be fetched.
  maintain_plan();
  report.maintenance_ns = clock.lap();

  // 4. Until nobody can still execute what was fetched before.
  if (report.sites_written != 0) generation.fetch_add(1, std::memory_order_relaxed);  // see engine_impl.h
  report.generation = generation.load(std::memory_order_relaxed);
  if (report.sites_written != 0 || unserialised) {
    if (Status status = serialise(); !status) return status.error();
    report.serialisations = 1;
    report.mechanism = serialiser->name();
    report.serialise_ns = clock.lap();
  }

  // 5. The new states are the keys' states.
  for (const CommitPlan::Change& change : plan.changes) {
    change.sites->key->state_.store(change.to, std::memory_order_release);  // see static_key.h
    ++change.sites->flips;
  }
  seeing.counters.committed(report);
  return report;
}

Status Engine::Impl::serialise() {
  if (mutated(detail::Mutant::SkipSerialisation) || mutated(detail::Mutant::SerialiseBeforeWrite)) return Ok{};
  if (Status status = serialiser->serialise(); !status) {
    unserialised = true;
    const auto mark = [](KeySites& sites) { sites.key->unserialised_.store(true, std::memory_order_release); };
    for (const CommitPlan::Change& change : plan.changes) mark(*change.sites);
    for (const CommitPlan::Retarget& rewrite : plan.rewrites) mark(*rewrite.sites);
    return status;
  }
  if (unserialised) complete_keys();
  return Ok{};
}

// A core serialisation succeeded after one or more had failed: what those had written is complete now.
void Engine::Impl::complete_keys() noexcept {
  for (const auto& sites : table.keys()) {
    KeyBase& key = *sites->key;
    if (!key.unserialised_.load(std::memory_order_relaxed)) continue;  // only stored under commit_lock, which we hold
    key.state_.store(sites->written, std::memory_order_release);
    key.unserialised_.store(false, std::memory_order_release);
  }
  unserialised = false;
}

}  // namespace shunt
