// Requests: wishes that are recorded without a lock and carried out by whoever commits next.
//
//   request                                     a leader, with the commit lock held
//   1. wish_ = wanted state, listed; was        a. takes the list
//      it listed?                               b. for each key: reads the link, then takes wish and mark: wish_ = 0
//   2. if not: counts it in pending_,           c. for each key of its batches that has a wish still: counts that in
//      puts the key on the list                    pending_, then takes it; the mark stays
//   3. wakes the engine's own thread            d. each wish is a batch of its own, before the leader's batches
//                                               e. pending_ -= 1
//
// A request between b and the next one's a finds no mark and puts the key on the list again: its link was read before.
// A request that finds the mark only changes the wish, and relies on the one that set it to go on from 1 to 2: that may
// be a thread that it interrupts, or another one. Until the key is listed, step c sees to it that a commit of the key
// that begins later does not overtake the wish: a commit without lock looks for a wish first, then at pending_.
#include "engine/patch/requests.h"

#include <new>
#include <utility>

#include "engine/engine_impl.h"
#include "engine/patch/mutant.h"

namespace shunt {

namespace detail {

bool Requests::set_wish(KeyBase& key, unsigned state) noexcept {
  // Acquire and release: who takes the wish sees what the requester did before.
  const std::uint32_t before = key.wish_.exchange((state + 1) | KeyBase::wish_is_listed, std::memory_order_acq_rel);
  return (before & KeyBase::wish_is_listed) == 0;
}

void Requests::list(KeyBase& key) noexcept {
  key.pending_.fetch_add(1, std::memory_order_relaxed);  // see Engine::Impl::count_pending()
  push(key);
}

void Requests::push(KeyBase& key) noexcept {
  KeyBase* head = latest_.load(std::memory_order_relaxed);
  do {
    key.next_wish_ = head;
  } while (!latest_.compare_exchange_weak(head, &key, std::memory_order_release, std::memory_order_relaxed));
}

QueuedBatch* Requests::take_all(QueuedBatch* rest) noexcept {
  QueuedBatch* const group = rest;
  KeyBase* key = latest_.exchange(nullptr, std::memory_order_acquire);  // step a
  while (key != nullptr) {
    KeyBase* const next = key->next_wish_;  // step b
    try {
      taken_.emplace_back(*key, 0);
    } catch (const std::bad_alloc&) {
      push(*key);
      key = next;
      continue;
    }
    Taken& taken = taken_.back();
    const std::uint32_t wish =
        key->wish_.exchange(mutated(Mutant::WishTakenLate) ? key->wish_.load() : 0, std::memory_order_acq_rel) &
        ~KeyBase::wish_is_listed;
    if (wish != 0) {
      taken.state.state = wish - 1;
      taken.batch.next = std::exchange(rest, &taken.batch);
    } else {  // taken by a step c before the key was listed
      taken_.pop_back();
      key->pending_.fetch_sub(1, std::memory_order_release);
    }
    key = next;
  }
  if (mutated(Mutant::LeaveUnlistedWish)) return rest;
  for (const QueuedBatch* batch = group; batch != nullptr; batch = batch->next) {  // step c
    for (const QueuedState& queued : batch->states) take_unlisted(*queued.key, rest);
    for (const QueuedTarget& queued : batch->targets) take_unlisted(*queued.key, rest);
  }
  return rest;
}

void Requests::take_unlisted(KeyBase& key, QueuedBatch*& rest) noexcept {
  if (!has_wish(key)) return;  // and nobody else takes it, without the lock
  try {
    taken_.emplace_back(key, 0);
  } catch (const std::bad_alloc&) {
    return;
  }
  key.pending_.fetch_add(1, std::memory_order_relaxed);  // released by taking the wish, see has_wish()
  const std::uint32_t wish = key.wish_.fetch_and(KeyBase::wish_is_listed, std::memory_order_acq_rel);
  taken_.back().state.state = (wish & ~KeyBase::wish_is_listed) - 1;
  taken_.back().batch.next = std::exchange(rest, &taken_.back().batch);
}

void Requests::done() noexcept {
  for (Taken& taken : taken_) {
    KeyBase& key = *taken.state.key;
    if (taken.batch.error && !error_) error_ = std::move(taken.batch.error);
    if (mutated(Mutant::WishTakenLate)) key.wish_ = 0;
    // Put back, unless there is a newer wish. Who set the mark meanwhile, or had set it before step c, lists the key.
    std::uint32_t mark = key.wish_.load(std::memory_order_relaxed) & KeyBase::wish_is_listed;
    const bool listed = mark != 0;
    const bool back = key.sites_ == nullptr &&
                      key.wish_.compare_exchange_strong(mark, (taken.state.state + 1) | KeyBase::wish_is_listed,
                                                        std::memory_order_acq_rel, std::memory_order_relaxed);
    if (back && !listed) {
      push(key);
    } else {
      key.pending_.fetch_sub(1, std::memory_order_release);  // step e; see Engine::Impl::uncount_pending()
    }
  }
  taken_.clear();
}

void Requests::forget(KeyBase& ending) noexcept {
  KeyBase* key = latest_.exchange(nullptr, std::memory_order_acquire);
  while (key != nullptr) {
    KeyBase* const next = key->next_wish_;
    if (key != &ending) push(*key);
    key = next;
  }
}

void Requests::forget_all() noexcept {
  KeyBase* key = latest_.exchange(nullptr, std::memory_order_acquire);
  while (key != nullptr) {
    KeyBase* const next = key->next_wish_;
    key->wish_.store(0, std::memory_order_relaxed);  // nobody else uses an engine that ends
    key->pending_.store(0, std::memory_order_relaxed);
    key->engine_.store(nullptr, std::memory_order_release);  // see static_key.h
    key = next;
  }
}

}  // namespace detail

bool Engine::Impl::request(KeyBase& key, unsigned state) noexcept {
  if (state >= key.states()) return false;
  Engine* owner = key.engine_.load(std::memory_order_acquire);  // orders: see static_key.h
  if (owner == nullptr)
    key.engine_.compare_exchange_strong(owner, &engine, std::memory_order_acq_rel, std::memory_order_acquire);
  if (owner != nullptr && owner != &engine) return false;
  requests.record(key, state);
  service->wake();
  return true;
}

bool Engine::request(StaticKey& key, bool on) noexcept {
  return impl_->request(key, on ? 1 : 0);
}

bool Engine::request(StaticSwitch& key, unsigned state) noexcept {
  return impl_->request(key, state);
}

Status Engine::carry_out_requests() {
  if (Status status = impl_->carry_out_unless(nullptr); !status) return status;
  const std::lock_guard hold(impl_->commit_lock);
  if (std::optional<Error> error = impl_->requests.take_error()) return std::move(*error);
  return Ok{};
}

}  // namespace shunt
