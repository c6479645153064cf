// Group commit: batches that several threads commit at the same time are merged. Whoever gets the commit lock leads: it
// commits its own batch together with all that wait, by one core serialisation, and gives each its own verdict.
//
//   1. A batch that has nothing to do is done: no lock.
//   2. The lock is free: lead, with the own batch behind those that wait.
//   3. Else push the batch on the list of those that wait, and wait until a leader has done it, or until the lock is
//      free and this thread leads.
//
// A leader does one group and hands over: nobody's commit is kept waiting by batches that came after it.
#include <algorithm>

#include "engine/engine_impl.h"

namespace shunt {

using detail::QueuedBatch;
using detail::QueuedState;
using detail::QueuedTarget;

// Whether every key is in its wanted state and its last flip complete: then what a commit promises holds already,
// because the flip's own commit established it before it stored state_ (release, acquire here). A key that changes at
// the same moment is ordered after.
bool Engine::Impl::is_complete(std::span<const QueuedState> states) const noexcept {
  if (host_incomplete.load(std::memory_order_acquire)) return false;  // see engine_impl.h
  return std::all_of(states.begin(), states.end(), [this](const QueuedState& queued) {
    const KeyBase& key = *queued.key;
    return key.engine_.load(std::memory_order_acquire) == &engine &&
           key.state_.load(std::memory_order_acquire) == queued.state &&
           !key.unserialised_.load(std::memory_order_acquire);
  });
}

Result<CommitReport> Engine::Impl::commit(std::span<const QueuedState> states, std::span<const QueuedTarget> targets) {
  if (targets.empty() && is_complete(states)) {  // step 1
    CommitReport report;
    report.mechanism = "none";
    for (const QueuedState& queued : states) {
      report.sites_unchanged += queued.key->site_count_.load(std::memory_order_relaxed);  // see static_key.h
    }
    report.generation = generation.load(std::memory_order_relaxed);  // see engine_impl.h
    seeing.counters.no_op_commit();
    return report;
  }
  if (memory.in_child()) return detail::made_before_fork();
  QueuedBatch own(states, targets);
  if (commit_lock.try_lock()) {  // step 2
    lead(&own);
  } else {  // step 3
    waiting.push(own);
    if (commit_lock.lock_unless(&own.done)) lead(nullptr);
  }
  return own.take_verdict();
}

void Engine::Impl::lead(QueuedBatch* own) noexcept {
  QueuedBatch* const group = waiting.empty() ? own : waiting.take_all(own);
  if (group != nullptr) commit_group(group);
  for (QueuedBatch* batch = group; batch != nullptr;) {
    QueuedBatch* const next = batch->next;  // once it is done, a batch may end
    batch->done.store(true, std::memory_order_release);
    batch = next;
  }
  commit_lock.unlock();
}

}  // namespace shunt
