// Requests: wishes that are recorded without a lock and carried out by whoever commits next.
//
//   request                                     a leader, with the commit lock held
//   1. wish_ = wanted state; was there one?     a. takes the list
//   2. if not: counts it in pending_,           b. for each key: reads the link, then takes the wish: wish_ = none
//      puts the key on the list                 c. each wish is a batch of its own
//   3. wakes the engine's own thread            d. pending_ -= 1
//
// A request between b and the next one's a finds no wish and puts the key on the list again: its link was read before.
// A request that interrupts another one of the same key between 1 and 2 only changes the wish; the interrupted one goes
// on to put the key on the list.
#include "engine/patch/requests.h"

#include <new>
#include <utility>

#include "engine/engine_impl.h"
#include "engine/patch/mutant.h"

namespace shunt {

namespace detail {

void Requests::record(KeyBase& key, unsigned state) noexcept {
  // Acquire and release: who takes the wish sees what the requester did before.
  if (key.wish_.exchange(state + 1, std::memory_order_acq_rel) != 0) return;  // step 1
  key.pending_.fetch_add(1, std::memory_order_relaxed);                       // see Engine::Impl::count_pending()
  push(key);                                                                  // step 2
}

void Requests::push(KeyBase& key) noexcept {
  KeyBase* head = latest_.load(std::memory_order_relaxed);
  do {
    key.next_wish_ = head;
  } while (!latest_.compare_exchange_weak(head, &key, std::memory_order_release, std::memory_order_relaxed));
}

QueuedBatch* Requests::take_all(QueuedBatch* rest) noexcept {
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
    taken.state.state =
        key->wish_.exchange(mutated(Mutant::WishTakenLate) ? key->wish_.load() : 0, std::memory_order_acq_rel) - 1;
    taken.batch.next = std::exchange(rest, &taken.batch);
    key = next;
  }
  return rest;
}

void Requests::done() noexcept {
  for (Taken& taken : taken_) {
    KeyBase& key = *taken.state.key;
    if (taken.batch.error && !error_) error_ = std::move(taken.batch.error);
    std::uint32_t none = 0;
    if (mutated(Mutant::WishTakenLate)) key.wish_ = 0;
    if (key.sites_ == nullptr && key.wish_.compare_exchange_strong(none, taken.state.state + 1)) {
      push(key);
    } else {
      key.pending_.fetch_sub(1, std::memory_order_release);  // step d; see Engine::Impl::uncount_pending()
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
