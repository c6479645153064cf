// Group commit: batches that several threads commit at the same time are merged. Whoever gets the commit lock leads: it
// commits its own batch together with all that wait, by one core serialisation, and gives each its own verdict.
//
//   1. A batch that has nothing to do is done: no lock.
//   2. The lock is free: lead, with the own batch behind those that wait.
//   3. Else push the batch on the list of those that wait, and wait until a leader has done it, or until the lock is
//      free and this thread leads.
//
// A leader does one group and hands over: nobody's commit is kept waiting by batches that came after it.
//
// A leader also takes along what was requested, and what waits with a ticket.
#include <algorithm>
#include <mutex>
#include <new>

#include "engine/engine_impl.h"
#include "engine/patch/mutant.h"
#include "engine/service/ticket_state.h"

namespace shunt {

using detail::QueuedBatch;
using detail::QueuedOperation;
using detail::QueuedState;
using detail::QueuedTarget;
using detail::TicketState;

namespace {

Error inside_commit() {
  return make_error(
      ErrorCode::InsideCommit,
      "this thread is inside a commit, a publication or the like of this engine already: a signal handler "
      "may not commit; Engine::request() is for it");
}

}  // namespace

// What a key's kind adds: references are never set aside, nor counted here; a call calls the wanted function.
bool Engine::Impl::kind_is_complete(const QueuedState& queued) noexcept {
  if (queued.operation == QueuedOperation::Call) {
    const auto& call = static_cast<const detail::CallBase&>(*queued.key);
    return call.function_.load(std::memory_order_acquire) == queued.function;  // see static_call.h
  }
  if (queued.operation != QueuedOperation::Set) return false;
  // A DemotableSwitch that is set to the value that it has: what that stands for may be new.
  if (queued.key->kind() == KeyKind::Demotable && queued.key->data_ == nullptr && queued.state != 0) return false;
  return queued.key->kind() != KeyKind::Key || static_cast<const StaticKey&>(*queued.key).references() == 0;
}

// Whether `state` is the one that is wanted. Whether a demotable key is demoted is no concern of the batch.
bool Engine::Impl::as_wanted(const QueuedState& queued, unsigned state) noexcept {
  const bool demotable = queued.key->kind() == KeyKind::Demotable;
  return (demotable ? detail::DemotableStates(*queued.key).value(state) : state) == queued.state;
}

// Whether every key is in its wanted state, its last flip complete and nothing queued for it: then what a commit
// promises holds already, because the flip's own commit established it before it stored state_ (release, acquire here).
// A key that changes at the same moment is ordered after. Wishes are looked for first, then pending_, then the state:
// who finds that a wish was taken finds it counted, and who finds that what was queued is done finds the state that it
// left.
bool Engine::Impl::is_complete(std::span<const QueuedState> states) const noexcept {
  if (host_incomplete.load(std::memory_order_acquire)) return false;  // see engine_impl.h
  return std::all_of(states.begin(), states.end(), [this](const QueuedState& queued) {
    const KeyBase& key = *queued.key;
    return key.engine_.load(std::memory_order_acquire) == &engine &&
           (!detail::Requests::has_wish(key) || mutated(detail::Mutant::OverlookUnlistedWish)) &&
           (key.pending_.load(std::memory_order_acquire) == 0 || mutated(detail::Mutant::IgnoreQueued)) &&
           as_wanted(queued, key.state_.load(std::memory_order_acquire)) &&
           !key.unserialised_.load(std::memory_order_acquire) && kind_is_complete(queued);
  });
}

// Precondition: is_complete(states).
CommitReport Engine::Impl::nothing_to_do(std::span<const QueuedState> states) noexcept {
  CommitReport report;
  report.mechanism = "none";
  for (const QueuedState& queued : states) {
    report.sites_unchanged += queued.key->site_count_.load(std::memory_order_relaxed);  // see static_key.h
  }
  report.generation = generation.load(std::memory_order_relaxed);  // see engine_impl.h
  seeing.counters.no_op_commit();
  return report;
}

Result<CommitReport> Engine::Impl::commit(std::span<const QueuedState> states, std::span<const QueuedTarget> targets,
                                          detail::OldPath* old_path) {
  if (targets.empty() && old_path == nullptr && is_complete(states)) return nothing_to_do(states);  // step 1
  QueuedBatch own(states, targets);
  own.old_path = old_path;
  if (commit_lock.try_lock()) {  // step 2
    lead(&own);
  } else {  // step 3
    if (commit_lock.held_by_this_thread()) return inside_commit();
    waiting.push(own);
    if (commit_lock.lock_unless(&own.done)) lead(nullptr);
  }
  return own.take_verdict();
}

// Carries out what waits, or waits until `*done` (if it is not null).
Status Engine::Impl::carry_out_unless(const std::atomic<bool>* done) {
  if (commit_lock.held_by_this_thread()) return inside_commit();
  if (commit_lock.lock_unless(done)) lead(nullptr);
  return Ok{};
}

// For the engine's own thread.
bool Engine::Impl::carry_out(void* impl) noexcept {
  Impl& self = *static_cast<Impl*>(impl);
  if (!self.waiting.empty() || !self.requests.empty()) {
    self.commit_lock.lock();
    self.lead(nullptr);
  }
  return self.watch_demoted_keys();
}

void Engine::Impl::lead(QueuedBatch* own) noexcept {
  QueuedBatch* group = waiting.empty() ? own : waiting.take_all(own);
  group = requests.take_all(group);
  const std::uint64_t demotions = seeing.rates.demotions;
  if (group != nullptr) commit_group(group);
  const bool demoted = seeing.rates.demotions != demotions;
  for (QueuedBatch* batch = group; batch != nullptr;) {
    QueuedBatch* const next = batch->next;  // once it is done, a batch may end
    if (batch->error && batch->origin != QueuedBatch::Origin::Caller)
      seeing.counters.failed(batch->error->code());  // of a caller's: PatchBatch::commit()
    if (batch->origin == QueuedBatch::Origin::Ticket) {
      uncount_pending(*batch);
      TicketState& ticket = *static_cast<TicketState*>(batch);
      if (await_threads(ticket)) {
        ticket.awaits_threads();
      } else {
        ticket.committed();
      }
    } else {
      batch->done.store(true, std::memory_order_release);
    }
    batch = next;
  }
  requests.done();
  if (mutated(detail::Mutant::LeadUntilNoneWaits) && !waiting.empty()) return lead(nullptr);
  commit_lock.unlock();
  if (seeing.rates.some_demoted.load(std::memory_order_relaxed)) begin_watching_demoted_keys();
  if (demoted) service->wake();
}

}  // namespace shunt
