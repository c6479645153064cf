// A batch on its way through a commit: what it wants, and its verdict; and the list of those that wait.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "engine/patch/mutant.h"
#include "engine/quiesce/old_path.h"
#include "shunt/patch_batch.h"

namespace shunt::detail {

// What a PatchBatch queued.
enum class QueuedOperation : std::uint8_t {
  Set,      // to `state`
  Acquire,  // one reference more
  Release,  // one reference fewer
  Call,     // a static call calls `function`
  Promote,  // a demotable key, whatever its rate
};
struct QueuedState {
  KeyBase* key;
  unsigned state;
  QueuedOperation operation = QueuedOperation::Set;
  const void* function = nullptr;
};
struct QueuedTarget {
  KeyBase* key;
  const void* site;
  unsigned state;
  const void* target;
};

struct QueuedBatch {
  QueuedBatch() = default;
  QueuedBatch(std::span<const QueuedState> wanted_states, std::span<const QueuedTarget> wanted_targets)
      : states(wanted_states), targets(wanted_targets) {}
  QueuedBatch(const QueuedBatch&) = delete;
  QueuedBatch& operator=(const QueuedBatch&) = delete;

  std::span<const QueuedState> states;
  std::span<const QueuedTarget> targets;

  enum class Origin : std::uint8_t {
    Caller,   // a thread waits for it in commit()
    Ticket,   // it is a TicketState
    Request,  // it belongs to Requests
  };
  Origin origin = Origin::Caller;

  OldPath* old_path = nullptr;  // to be found out; null: nobody asks
  QueuedBatch* next = nullptr;  // in ticket order, once a leader has taken it

  // The verdict: the report, or the error. Written with the commit lock held.
  CommitReport report;
  std::optional<Error> error;

  // The verdict stands, and no other thread looks at this batch any more. Release and acquire, so that who sees it sees
  // the verdict.
  std::atomic<bool> done{false};

  [[nodiscard]] Result<CommitReport> take_verdict() {
    if (error) return std::move(*error);
    return report;
  }
};

// Batches that wait for a leader. Pushed by any thread without a lock, taken all at once by the leader.
class WaitingBatches {
 public:
  // Release: the leader that takes the batch sees what it wants. Sequentially consistent with CommitLock: see there.
  void push(QueuedBatch& batch) noexcept {
    QueuedBatch* head = last_.load(std::memory_order_relaxed);
    do {
      batch.next = head;
    } while (!last_.compare_exchange_weak(head, &batch, std::memory_order_seq_cst, std::memory_order_relaxed));
  }

  // Whether there is one. Relaxed: who pushed one too late to be seen finds a leader by the commit lock.
  [[nodiscard]] bool empty() const noexcept { return last_.load(std::memory_order_relaxed) == nullptr; }

  // In a child made by fork(): commits of other threads are not there; what waits with a ticket is, without callbacks.
  void forget_other_threads() noexcept;

  // All of them in the order in which they came, followed by `rest`. Acquire: see push().
  QueuedBatch* take_all(QueuedBatch* rest) noexcept {
    QueuedBatch* batch = last_.exchange(nullptr, std::memory_order_acquire);
    if (mutated(Mutant::LatestBatchFirst) && rest == nullptr) return batch;
    while (batch != nullptr) rest = std::exchange(batch, std::exchange(batch->next, rest));
    return rest;
  }

 private:
  std::atomic<QueuedBatch*> last_{nullptr};  // the others follow by `next`, latest first
};

}  // namespace shunt::detail
