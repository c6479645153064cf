// What the copies of a ticket share, and its place among the batches that wait.
//
// Its life: queued; taken by a leader, which calls complete() with the commit lock held; complete. While it is queued
// it keeps itself, so it ends with the last ticket or when it is complete, whichever comes later.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "engine/engine_impl.h"
#include "engine/service/service_thread.h"
#include "shunt/ticket.h"

namespace shunt::detail {

struct TicketState final : QueuedBatch, std::enable_shared_from_this<TicketState> {
  TicketState(Engine& owner, std::shared_ptr<ServiceThread> runs_callbacks, Visibility wanted_visibility)
      : wanted(wanted_visibility), service(std::move(runs_callbacks)), engine(&owner) {
    origin = Origin::Ticket;
  }

  // The batch's contents.
  std::vector<QueuedState> own_states;
  std::vector<QueuedTarget> own_targets;
  const Visibility wanted;
  OldPath own_old_path;  // Drained; known once a leader has done the batch

  const std::shared_ptr<ServiceThread> service;
  Engine* const engine;                 // gone once the ticket is complete and the engine has ended
  std::shared_ptr<TicketState> itself;  // while it is queued

  // A leader has done it: the verdict of the commit is in QueuedBatch. Commit lock held.
  void committed() noexcept;

  // The same, but it is not complete before threads were seen: Quiescence completes it.
  void awaits_threads() noexcept;

  // What was wanted holds, or it failed: stores the verdict, wakes who waits, hands the callbacks over. Called once.
  // Does not block, and calls nothing of the embedder's while the engine lives.
  void complete(Result<CommitReport> result) noexcept;

  // Acquire: who finds it complete sees the verdict.
  [[nodiscard]] bool is_complete() const noexcept { return complete_.load(std::memory_order_acquire) != 0; }
  void await_complete() const noexcept;

  // Precondition: is_complete().
  [[nodiscard]] const Result<CommitReport>& verdict() const noexcept { return *verdict_; }

  void then(std::unique_ptr<PostedCallback> callback);

  // In a child made by fork(): callbacks are the parent's. Not freed.
  void forget_callbacks() noexcept { callbacks_.store(nullptr, std::memory_order_relaxed); }

 private:
  void hand_over(std::unique_ptr<PostedCallback> callback);

  std::optional<Result<CommitReport>> verdict_;  // written once, before complete_
  std::atomic<std::uint32_t> complete_{0};       // 1: complete. A futex word

  // Callbacks that wait for the verdict, latest first; PostedCallback::end_mark() once there is one. Release and
  // acquire: who hands a callback over sees it whole, and who finds the mark sees the verdict.
  std::atomic<PostedCallback*> callbacks_{nullptr};
};

}  // namespace shunt::detail
