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

unsigned FlipRates::next_state(const FlipRate& rate, unsigned state, bool on) const noexcept {
  if (on == ((state & 1) != 0)) return state;
  return (on ? 1U : 0U) | (with_flip(rate).thrashing ? 2U : 0U);
}

void FlipRates::changed(KeySites& sites, unsigned from, unsigned to) noexcept {
  const bool demotable = sites.key->kind() == KeyKind::Demotable;
  if (!demotable || ((from ^ to) & 1) != 0) {
    ++sites.flips;
    const bool before = sites.rate.thrashing;
    sites.rate = with_flip(sites.rate);
    if (sites.rate.thrashing && !before) ++times_thrashing;
  }
  if (!demotable) return;
  if (is_data_flip(from, to)) ++data_flips;
  if ((from & 2) < (to & 2)) ++demotions;
  if ((from & 2) > (to & 2)) ++promotions;
}

}  // namespace detail

// All of it under the commit lock, so that no key of the list ends meanwhile.
Status Engine::promote_calm_keys() {
  impl_->commit_lock.lock();
  impl_->seeing.rates.begin_commit();
  std::vector<detail::QueuedState> calm;
  try {
    for (const auto& sites : impl_->table.keys()) {
      if (sites->key->kind() == KeyKind::Demotable && (sites->written & 2) != 0 &&
          impl_->seeing.rates.calm(sites->rate))
        calm.push_back({sites->key, sites->written & 1, detail::QueuedOperation::Promote});
    }
  } catch (const std::bad_alloc&) {
    impl_->commit_lock.unlock();
    return make_error(ErrorCode::OutOfMemory, "no heap memory to list the keys to promote");
  }
  detail::QueuedBatch batch(calm, {});
  impl_->lead(&batch);
  Result<CommitReport> verdict = batch.take_verdict();
  if (!verdict) return std::move(verdict).error();
  return Ok{};
}

void KeyBase::promote() noexcept {
  if (mutated(detail::Mutant::LeaveDemoted)) return;
  Engine* const engine = engine_.load(std::memory_order_acquire);  // see static_key.h
  if (engine == nullptr || (state() & 2) == 0) return;
  const detail::QueuedState wanted{this, state() & 1, detail::QueuedOperation::Promote};
  (void)engine->impl_->commit({&wanted, 1}, {});  // what follows from a failure is in demotable_key.h
}

DemotableKey::~DemotableKey() {
  promote();
}

}  // namespace shunt
