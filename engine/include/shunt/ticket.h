// A ticket for a commit that is carried out later, by another thread: PatchBatch::commit_async().
#pragma once

#include <functional>
#include <memory>

#include "shunt/api.h"
#include "shunt/error.h"
#include "shunt/patch_batch.h"

namespace shunt {

namespace detail {
struct TicketState;  // engine/service/ticket_state.h
}

// Copies stand for the same commit. A ticket may be dropped unread: the commit is carried out all the same. It may
// outlive its batch, and its engine: an engine carries out what is queued before it ends, so that the ticket is
// complete then. Thread-safe, but for assignment.
class SHUNT_API Ticket {
 public:
  using Callback = std::function<void(const Result<CommitReport>&)>;

  // Whether the commit is complete: what was asked for holds, or it failed. Does not block.
  [[nodiscard]] bool poll() const noexcept;

  // Blocks until the commit is complete; if nobody else is at it, this thread carries it out. What commit() would have
  // returned. Not from signal handlers. Errors: also InsideCommit. If it is to be Settled or Drained, this thread must
  // not wait for itself: InvalidArgument in guest code, InsideOldPath in the old path, as for commit_and_drain(); the
  // ticket goes on.
  [[nodiscard]] Result<CommitReport> wait() const;

  // Calls `callback` with the verdict once the commit is complete, on the engine's own thread, with no lock held: it
  // may commit, wait for tickets and call this; it must not end the engine. Callbacks run one after another, those of
  // one ticket in the order in which they were given; they keep others waiting, so let them be short. If the ticket is
  // complete already it is the same; but if its engine has ended, `callback` is called at once, on this thread. A
  // callback that throws ends the program (std::terminate).
  //
  // If the engine has no thread of its own and none can be made, callbacks run when the engine ends. After fork() they
  // run in the parent alone.
  void then(Callback callback) const;

 private:
  friend class PatchBatch;
  explicit Ticket(std::shared_ptr<detail::TicketState> state) noexcept : state_(std::move(state)) {}
  std::shared_ptr<detail::TicketState> state_;
};

}  // namespace shunt
