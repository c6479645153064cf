// Commit: the steps of docs/patching-protocol.md over one batch.
#include <algorithm>
#include <chrono>
#include <functional>
#include <new>
#include <string>
#include <tuple>
#include <utility>

#include "engine/engine_impl.h"
#include "engine/patch/mutant.h"
#include "shunt/patch_batch.h"

namespace shunt {

using detail::CommitPlan;
using detail::KeySites;
using detail::QueuedState;
using detail::QueuedTarget;
using detail::SiteRecords;
using detail::SiteView;

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

// Mutant::EarlyReturn: the stores that a commit returned without, made when the next one begins.
std::vector<std::function<void()>>& postponed_stores() {
  static std::vector<std::function<void()>> stores;
  return stores;
}

void make_postponed_stores() {
  for (const auto& store : std::exchange(postponed_stores(), {})) store();
}

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
    return report;
  }

  if (memory.in_child()) return detail::made_before_fork();
  const std::lock_guard hold(commit_lock);
  if (mutated(detail::Mutant::EarlyReturn)) make_postponed_stores();
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
  report.sites_written = write_plan();
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
  }
  return report;
}

Status Engine::Impl::make_plan(std::span<const QueuedState> states, std::span<const QueuedTarget> targets,
                               CommitReport& report) {
  plan.queued.clear();
  plan.changes.clear();
  plan.retargets.clear();
  plan.rewrites.clear();
  plan.written.clear();
  ++plan.number;
  for (const QueuedState& queued : states) {
    if (queued.state >= queued.key->states()) {
      return make_error(ErrorCode::InvalidArgument, std::string("key \"") + queued.key->name() + "\" has " +
                                                        std::to_string(queued.key->states()) + " states; " +
                                                        std::to_string(queued.state) + " is none of them");
    }
    if (Status status = bind(*queued.key); !status) return status;
    KeySites& sites = *queued.key->sites_;
    if (sites.last_commit == plan.number) {
      plan.queued[sites.change].to = queued.state;  // the last call for a key wins
      continue;
    }
    sites.last_commit = plan.number;
    sites.change = plan.queued.size();
    plan.queued.push_back({&sites, queued.state});
  }
  for (const CommitPlan::Change& change : plan.queued) {
    if (change.sites->written == change.to) {
      report.sites_unchanged += change.sites->records.size();
    } else {
      change.sites->records.sort();
      plan.changes.push_back(change);
    }
  }
  for (const QueuedTarget& queued : targets) {
    if (Status status = plan_retarget(queued); !status) return status;
  }
  return plan_rewrites();
}

Status Engine::Impl::plan_retarget(const QueuedTarget& queued) {
  const auto refuse = [&](const std::string& problem) {
    return make_error(ErrorCode::InvalidArgument,
                      std::string("retarget: key \"") + queued.key->name() + "\": " + problem);
  };
  if (queued.state == 0 || queued.state >= queued.key->states()) {
    return refuse("state " + std::to_string(queued.state) + " has no target");
  }
  if (Status status = bind(*queued.key); !status) return status;
  if (!contains(queued.site)) return refuse("the site lies outside this engine's code");
  if (!contains(queued.target)) return refuse("the target lies outside this engine's code");
  KeySites& sites = *queued.key->sites_;
  sites.records.sort();  // does nothing but at a key's first retarget, so earlier slots of this plan stay valid
  const std::size_t slot = sites.records.find(offset_of(queued.site));
  if (slot == SiteRecords::none)
    return refuse("it has no site at code offset " + std::to_string(offset_of(queued.site)));
  const std::uint32_t target = offset_of(queued.target);
  if (Status status = patcher->check_target(views(), sites.records.at(slot), target); !status) return status;
  plan.retargets.push_back({&sites, slot, queued.state, target});
  return Ok{};
}

// Of the retargets, those that show: the site is in that state, and its key stays there. Each site once.
Status Engine::Impl::plan_rewrites() {
  for (const CommitPlan::Retarget& retarget : plan.retargets) {
    const KeySites& sites = *retarget.sites;
    const bool changes = sites.last_commit == plan.number && plan.queued[sites.change].to != sites.written;
    if (!changes && retarget.state == sites.written) plan.rewrites.push_back(retarget);
  }
  const auto place = [](const CommitPlan::Retarget& r) {
    return std::tuple(r.sites->records.at(r.slot).offset, r.sites);
  };
  std::sort(plan.rewrites.begin(), plan.rewrites.end(),
            [&](const auto& a, const auto& b) { return place(a) < place(b); });
  const auto same = [&](const auto& a, const auto& b) { return place(a) == place(b); };
  plan.rewrites.erase(std::unique(plan.rewrites.begin(), plan.rewrites.end(), same), plan.rewrites.end());

  std::size_t sites_to_write = plan.rewrites.size();
  for (const CommitPlan::Change& change : plan.changes) sites_to_write += change.sites->records.size();
  if (patcher->collects_ranges()) plan.written.reserve(sites_to_write);
  return Ok{};
}

Status Engine::Impl::check_plan() {
  const detail::CodeViews code = views();
  for (const CommitPlan::Change& change : plan.changes) {
    if (mutated(detail::Mutant::CheckWhileWriting)) {
      if (&change != plan.changes.data())
        patcher->write(code, *plan.changes[0].sites, plan.changes[0].to, plan.written);
    }
    if (Status status = patcher->check(code, *change.sites, change.sites->written); !status) return status;
  }
  for (const CommitPlan::Retarget& rewrite : plan.rewrites) {
    const SiteView site = rewrite.sites->records.at(rewrite.slot);
    if (Status status = patcher->check(code, *rewrite.sites, site, rewrite.state); !status) return status;
  }
  return Ok{};
}

// From here on nothing fails but the core serialisation.
std::size_t Engine::Impl::write_plan() noexcept {
  const detail::CodeViews code = views();
  std::size_t count = 0;
  for (const CommitPlan::Retarget& retarget : plan.retargets) {
    retarget.sites->records.set_target(retarget.slot, retarget.state, retarget.target);
  }
  for (const CommitPlan::Change& change : plan.changes) {
    if (mutated(detail::Mutant::EarlyReturn)) {
      postponed_stores().emplace_back(
          [this, change] { patcher->write(views(), *change.sites, change.to, plan.written); });
      count += change.sites->records.size();
    } else {
      count += patcher->write(code, *change.sites, change.to, plan.written);
    }
    change.sites->written = change.to;
    if (mutated(detail::Mutant::SerialiseEachKey)) (void)serialiser->serialise();
  }
  for (const CommitPlan::Retarget& rewrite : plan.rewrites) {
    patcher->write(code, rewrite.sites->records.at(rewrite.slot), rewrite.state, plan.written);
  }
  return count + plan.rewrites.size();
}

void Engine::Impl::maintain_plan() {
  const auto by_begin = [](const arch::CodeRange& a, const arch::CodeRange& b) { return a.begin < b.begin; };
  if (!std::is_sorted(plan.written.begin(), plan.written.end(), by_begin)) {
    std::sort(plan.written.begin(), plan.written.end(), by_begin);
  }
  patcher->maintain(views(), plan.written);
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
