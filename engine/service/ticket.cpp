// Tickets: commits that are queued and carried out by whoever commits next, or by the engine's own thread.
#include "shunt/ticket.h"

#include <utility>

#include "engine/engine_impl.h"
#include "engine/patch/mutant.h"
#include "engine/service/futex.h"
#include "engine/service/ticket_state.h"

namespace shunt {

using detail::PostedCallback;
using detail::QueuedBatch;
using detail::QueuedState;
using detail::QueuedTarget;
using detail::TicketState;

namespace detail {

void TicketState::committed() noexcept {
  complete(take_verdict());
  done.store(true, std::memory_order_release);  // see QueuedBatch::done
  const auto may_end_here = std::move(itself);
}

void TicketState::awaits_threads() noexcept {
  done.store(true, std::memory_order_release);  // see QueuedBatch::done
  const auto may_end_here = std::move(itself);
}

void TicketState::complete(Result<CommitReport> result) noexcept {
  verdict_.emplace(std::move(result));
  complete_.store(1, std::memory_order_release);
  futex_wake_all(complete_);
  PostedCallback* const latest = callbacks_.exchange(PostedCallback::end_mark(), std::memory_order_acq_rel);
  for (PostedCallback* callback = PostedCallback::in_order(latest); callback != nullptr;)
    hand_over(std::unique_ptr<PostedCallback>(std::exchange(callback, callback->next)));
}

void TicketState::await_complete() const noexcept {
  while (!is_complete()) futex_wait(complete_, 0);
}

void TicketState::then(std::unique_ptr<PostedCallback> callback) {
  PostedCallback* head = callbacks_.load(std::memory_order_acquire);
  do {
    if (head == PostedCallback::end_mark()) return hand_over(std::move(callback));
    callback->next = head;
  } while (
      !callbacks_.compare_exchange_weak(head, callback.get(), std::memory_order_release, std::memory_order_acquire));
  [[maybe_unused]] const auto* const kept = callback.release();
}

void TicketState::hand_over(std::unique_ptr<PostedCallback> callback) {
  callback->ticket = shared_from_this();
  if (mutated(Mutant::CallBackInCommit)) return callback->run();
  if (!service->post(callback)) callback->run();
}

void WaitingBatches::forget_other_threads() noexcept {
  QueuedBatch* batch = last_.exchange(nullptr, std::memory_order_relaxed);  // this is the only thread
  QueuedBatch** link = nullptr;
  for (; batch != nullptr; batch = batch->next) {
    if (batch->origin != QueuedBatch::Origin::Ticket) continue;
    static_cast<TicketState*>(batch)->forget_callbacks();
    if (link == nullptr) {
      last_.store(batch, std::memory_order_relaxed);
    } else {
      *link = batch;
    }
    link = &batch->next;
  }
  if (link != nullptr) *link = nullptr;
}

}  // namespace detail

bool Ticket::poll() const noexcept {
  return state_->is_complete();
}

Result<CommitReport> Ticket::wait() const {
  if (!state_->done.load(std::memory_order_acquire)) {  // see QueuedBatch::done
    if (Status status = state_->engine->impl_->carry_out_unless(&state_->done); !status) return status.error();
  }
  if (!state_->is_complete()) {
    if (Status status = state_->engine->impl_->await_threads_of(*state_); !status) return status.error();
  }
  state_->await_complete();
  return state_->verdict();
}

void Ticket::then(Callback callback) const {
  auto posted = std::make_unique<PostedCallback>();
  posted->callback = std::move(callback);
  if (!state_->service->stopping()) (void)state_->service->start();  // without: see ticket.h
  state_->then(std::move(posted));
}

// 1. Every key of the batch is marked: commits of it that find nothing to do must get in line behind this one.
// 2. The batch is put on the list.
// 3. The engine's own thread is woken.
std::shared_ptr<TicketState> Engine::Impl::queue(std::vector<QueuedState>& states, std::vector<QueuedTarget>& targets,
                                                 Visibility wanted, std::vector<CodeExtent>& old_path) {
  auto ticket = std::make_shared<TicketState>(engine, service, wanted);
  if (targets.empty() && wanted <= Visibility::Synced && is_complete(states)) {
    ticket->complete(nothing_to_do(states));
    ticket->done.store(true, std::memory_order_release);
    return ticket;
  }
  if (service->stopping()) {
    ticket->complete(make_error(ErrorCode::Unsupported, "commit_async: the engine is ending"));
    ticket->done.store(true, std::memory_order_release);
    return ticket;
  }
  ticket->own_states.swap(states);
  ticket->own_targets.swap(targets);
  ticket->states = ticket->own_states;
  ticket->targets = ticket->own_targets;
  ticket->own_old_path.extents.swap(old_path);
  const bool derived = wanted == Visibility::Drained && ticket->own_old_path.extents.empty();
  ticket->old_path = derived ? &ticket->own_old_path : nullptr;
  ticket->itself = ticket;
  count_pending(*ticket);
  waiting.push(*ticket);
  (void)service->start();  // if there can be none, the next commit or wait() carries it out
  service->wake();
  return ticket;
}

// Relaxed: for this thread, and for who comes after it, the key is marked before anything else happens.
void Engine::Impl::count_pending(const QueuedBatch& batch) noexcept {
  for (const QueuedState& queued : batch.states) queued.key->pending_.fetch_add(1, std::memory_order_relaxed);
  for (const QueuedTarget& queued : batch.targets) queued.key->pending_.fetch_add(1, std::memory_order_relaxed);
}

// Release: who finds the mark gone finds the state that the batch left.
void Engine::Impl::uncount_pending(const QueuedBatch& batch) noexcept {
  for (const QueuedState& queued : batch.states) queued.key->pending_.fetch_sub(1, std::memory_order_release);
  for (const QueuedTarget& queued : batch.targets) queued.key->pending_.fetch_sub(1, std::memory_order_release);
}

Status Engine::start_service_thread() {
  return impl_->service->start();
}

}  // namespace shunt
