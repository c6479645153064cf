// Counted keys: acquire and release, alone and in batches.
//
// A reference that changes no state is counted without a lock (ReferenceCount). Any other is a batch:
//
//   1. planned under the commit lock: the count is shut, so that nobody counts beside it; what it is going to be is
//      checked (not below zero, not above the maximum), and whether the key is going to be on follows from it
//   2. written and serialised like every batch
//   3. complete: the count is opened with its new value. From here on others count without a lock, and may rely on what
//      the batch established
//
// A batch that is refused leaves the count as the batches before it make it. If the core serialisation failed, the
// references of the batches that failed with it are not counted; the count of a key that is in transition stays shut,
// so that the next reference goes through a batch as well.
#include <string>
#include <utility>
#include <vector>

#include "engine/engine_impl.h"
#include "engine/patch/mutant.h"

namespace shunt {

using detail::CommitPlan;
using detail::KeySites;
using detail::Mutant;
using detail::QueuedBatch;
using detail::QueuedOperation;
using detail::QueuedState;
using detail::ReferenceCount;

Status StaticKey::count(Engine& engine, bool more) {
  // Acquire: as every use of the key (see engine_), and as a commit that finds nothing to do (see engine_impl.h).
  const bool ours = engine_.load(std::memory_order_acquire) == &engine &&
                    !engine.impl_->host_incomplete.load(std::memory_order_acquire);
  if (ours && (more ? references_.try_add() : references_.try_drop())) return Ok{};
  const QueuedState one{this, 0, more ? detail::QueuedOperation::Acquire : detail::QueuedOperation::Release};
  const Result<CommitReport> report = engine.impl_->commit({&one, 1}, {});
  if (!report) return report.error();
  return Ok{};
}

Status StaticKey::acquire(Engine& engine) {
  return count(engine, true);
}
Status StaticKey::release(Engine& engine) {
  return count(engine, false);
}

// The state that the key is to have with one reference more or fewer. Precondition: bound.
Result<unsigned> Engine::Impl::plan_count(StaticKey& key, bool more) {
  KeySites& sites = *key.sites_;
  if (sites.last_count != plan.number) {
    if (plan.counts.size() == plan.counts.capacity()) plan.counts.reserve(2 * plan.counts.size() + 8);
    const std::uint32_t count = key.references_.shut();
    plan.counts.push_back({&key, count, count});
    sites.last_count = plan.number;
    sites.count_place = plan.counts.size() - 1;
  }
  plan.batch.recounts.emplace_back(sites.count_place, plan.counts[sites.count_place].after);
  std::uint32_t& count = plan.counts[sites.count_place].after;
  if (!mutated(Mutant::UncheckedCount)) {
    if (more && count == ReferenceCount::maximum) {
      return make_error(ErrorCode::KeyCountExhausted,
                        std::string("key \"") + key.name() + "\" has " + std::to_string(count) +
                            " references, as many as can be counted; one more was wanted");
    }
    if (!more && count == 0) {
      return make_error(ErrorCode::KeyNotHeld, std::string("key \"") + key.name() +
                                                   "\" has no reference to release; release() was called once more "
                                                   "than acquire()");
    }
  }
  count = (more ? count + 1 : count - 1) & ReferenceCount::maximum;
  return count == 0 ? 0U : 1U;
}

// References that the key has, or is going to have after what the batch holds for it so far. Precondition: bound.
std::uint32_t Engine::Impl::planned_references(const StaticKey& key) const noexcept {
  const KeySites& sites = *key.sites_;
  return sites.last_count == plan.number ? plan.counts[sites.count_place].after : key.references_.get();
}

// The batch that is being looked at is refused.
void Engine::Impl::drop_counts() noexcept {
  if (mutated(Mutant::CountFailedCommit)) return;
  std::vector<std::pair<std::size_t, std::uint32_t>>& recounts = plan.batch.recounts;
  for (auto earlier = recounts.rbegin(); earlier != recounts.rend(); ++earlier) {
    plan.counts[earlier->first].after = earlier->second;
  }
}

// The core serialisation failed: nothing is counted but what count_again() is told.
void Engine::Impl::forget_counts() noexcept {
  for (CommitPlan::Count& count : plan.counts) count.after = count.before;
}

// Counts the references of a batch that did not fail although others of the commit did. False: it relied on the
// references of one that failed, so it fails as well, and nothing of it is counted.
bool Engine::Impl::count_again(const QueuedBatch& batch) noexcept {
  const auto count = [this](const QueuedState& queued, bool more) {
    std::uint32_t& after = plan.counts[queued.key->sites_->count_place].after;
    if (after == (more ? ReferenceCount::maximum : 0)) return false;
    after = more ? after + 1 : after - 1;
    return true;
  };
  for (const QueuedState& queued : batch.states) {
    if (queued.operation != QueuedOperation::Acquire && queued.operation != QueuedOperation::Release) continue;
    if (count(queued, queued.operation == QueuedOperation::Acquire)) continue;
    for (const QueuedState* undone = batch.states.data(); undone != &queued; ++undone) {
      if (undone->operation == QueuedOperation::Acquire) (void)count(*undone, false);
      if (undone->operation == QueuedOperation::Release) (void)count(*undone, true);
    }
    return false;
  }
  return true;
}

// The end of a commit.
void Engine::Impl::open_counts() noexcept {
  for (const CommitPlan::Count& count : plan.counts) {
    // In transition: whoever counts next makes the serialisation that is missing.
    if (!count.key->sites_->unserialised) count.key->references_.open(count.after);
  }
}

}  // namespace shunt
