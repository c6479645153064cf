#include "engine/observe/flip_rates.h"

#include <chrono>
#include <new>
#include <utility>
#include <vector>

#include "engine/engine_impl.h"
#include "engine/patch/mutant.h"
#include "engine/sites/site_table.h"

namespace shunt {

namespace detail {

std::uint64_t monotonic_clock() noexcept {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::nanoseconds(now).count());
}

FlipRate FlipRates::with_flip(FlipRate rate) const noexcept {
  if (limit_ == 0) return {};
  if (rate.flips != 0 && now_ - rate.window < window_ns) {
    ++rate.flips;
  } else {
    const bool was_calm = rate.flips <= limit_ / 2 || calm(rate);
    rate = {now_, 1, rate.thrashing && !was_calm};
  }
  rate.thrashing = rate.thrashing || rate.flips > limit_;
  return rate;
}

void FlipRates::flipped(KeySites& sites) noexcept {
  ++sites.flips;
  const bool before = sites.rate.thrashing;
  sites.rate = with_flip(sites.rate);
  if (sites.rate.thrashing && !before) ++times_thrashing;
}

void FlipRates::changed(KeySites& sites, unsigned from, unsigned to, bool set) noexcept {
  if (sites.key->kind() != KeyKind::Demotable) return flipped(sites);
  const DemotableStates states(*sites.key);
  const bool flips = set || states.value(from) != states.value(to);
  if (flips) flipped(sites);
  if (flips && (from == to ? states.demoted(to) : states.is_data_flip(from, to, sites.shared_stub))) ++data_flips;
  if (states.demoted(from) && !states.demoted(to)) ++promotions;
  if (!states.demoted(from) && states.demoted(to)) {
    ++demotions;
    some_demoted.store(true, std::memory_order_relaxed);
  }
}

}  // namespace detail

// All of it under the commit lock, so that no key of the list ends meanwhile.
Status Engine::promote_calm_keys() {
  if (impl_->commit_lock.held_by_this_thread()) {
    return make_error(ErrorCode::InsideCommit, "promote_calm_keys: this thread is inside a commit of this engine");
  }
  impl_->commit_lock.lock();
  detail::FlipRates& rates = impl_->seeing.rates;
  rates.begin_commit();
  std::vector<detail::QueuedState> calm;
  std::size_t demoted = 0;
  try {
    for (const auto& sites : impl_->table.keys()) {
      if (sites->key->kind() != KeyKind::Demotable) continue;
      const detail::DemotableStates states(*sites->key);
      if (!states.demoted(sites->written)) continue;
      ++demoted;
      if (rates.calm(sites->rate))
        calm.push_back({sites->key, states.value(sites->written), detail::QueuedOperation::Promote});
    }
  } catch (const std::bad_alloc&) {
    impl_->commit_lock.unlock();
    return make_error(ErrorCode::OutOfMemory, "no heap memory to list the keys to promote");
  }
  if (demoted == calm.size()) rates.some_demoted.store(false, std::memory_order_relaxed);  // under commit_lock
  if (calm.empty()) {
    impl_->commit_lock.unlock();
    return Ok{};
  }
  detail::QueuedBatch batch(calm, {});
  impl_->lead(&batch);
  Result<CommitReport> verdict = batch.take_verdict();
  if (verdict) return Ok{};
  rates.some_demoted.store(true, std::memory_order_relaxed);  // tried again
  return std::move(verdict).error();
}

// For the engine's own thread: whether it is to come again after a window.
bool Engine::Impl::watch_demoted_keys() noexcept {
  detail::FlipRates& rates = seeing.rates;
  if (!watches_demoted_keys || !rates.some_demoted.load(std::memory_order_relaxed)) return false;
  if (mutated(detail::Mutant::LeaveCalmDemoted)) return false;
  const std::uint64_t now = detail::monotonic_clock();
  if (now < next_look_at_demoted) return true;
  next_look_at_demoted = now + detail::FlipRates::window_ns;
  (void)engine.promote_calm_keys();  // what fails is tried again
  return rates.some_demoted.load(std::memory_order_relaxed);
}

// After a commit, without its lock: somebody looks at demoted keys from now on, also in a forked child. Where no thread
// can be made, a key's next flip promotes it.
void Engine::Impl::begin_watching_demoted_keys() noexcept {
  if (!watches_demoted_keys || service->stopping()) return;
  try {
    (void)service->start();
  } catch (const std::bad_alloc&) {
    return;
  }
}

std::uint32_t Engine::flip_limit() const noexcept {
  return impl_->seeing.rates.limit();
}

void KeyBase::promote() noexcept {
  if (mutated(detail::Mutant::LeaveDemoted)) return;
  Engine* const engine = engine_.load(std::memory_order_acquire);  // see static_key.h
  const detail::DemotableStates states(*this);
  if (engine == nullptr || !states.demoted(state())) return;
  const detail::QueuedState wanted{this, states.value(state()), detail::QueuedOperation::Promote};
  (void)engine->impl_->commit({&wanted, 1}, {});  // what follows from a failure is in demotable_key.h
}

DemotableKey::~DemotableKey() {
  promote();
}

DemotableSwitch::~DemotableSwitch() {
  promote();
}

}  // namespace shunt
