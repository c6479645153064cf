// Tickets whose commits are to be Settled or Drained.
#include <new>
#include <utility>

#include "engine/engine_impl.h"
#include "engine/service/ticket_state.h"

namespace shunt {

using detail::TicketState;
using detail::Wanted;

namespace {

Wanted wanted_of(const TicketState& ticket) noexcept {
  return ticket.wanted == Visibility::Drained ? Wanted::Drained : Wanted::Settled;
}

}  // namespace

// commit_lock held; the lock of Quiescence is taken after it. The ticket's batch is committed, or refused. True: it is
// complete when threads were seen. False: as its verdict says.
bool Engine::Impl::await_threads(TicketState& ticket) noexcept {
  if (ticket.error || ticket.wanted <= Visibility::Synced) return false;
  try {
    CommitReport report = ticket.report;
    report.visibility = ticket.wanted;
    Status requested = quiescence.request(wanted_of(ticket), ticket.own_old_path.extents,
                                          [self = ticket.shared_from_this(), report] { self->complete(report); });
    if (!requested) ticket.error = std::move(requested).error();
  } catch (const std::bad_alloc&) {
    ticket.error = make_error(ErrorCode::OutOfMemory, "no heap memory to wait for threads; the batch is committed");
  }
  return !ticket.error;
}

// For a thread that waits for the ticket, whose batch is committed. It waits with a request of its own, so that it is
// told if it waits for itself; when that is done, so is the ticket's, which is older.
Status Engine::Impl::await_threads_of(const TicketState& ticket) {
  if (ticket.wanted <= Visibility::Synced) return Ok{};
  try {
    const Result<detail::BlockingThread> blocking = quiescence.blocking_thread();
    if (!blocking) return blocking.error();
    if (Status status = blocking->check(ticket.own_old_path.extents); !status) return status;
    if (auto waited = quiescence.wait(wanted_of(ticket), ticket.own_old_path.extents, {}); !waited)
      return std::move(waited).error();
    return Ok{};
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::OutOfMemory, "no heap memory to wait for threads");
  }
}

}  // namespace shunt
