// Wishes of places that may not block: Engine::request(). At most one a key; the key itself is the list's node.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "engine/patch/queued_batch.h"
#include "shunt/static_key.h"

namespace shunt::detail {

class Requests {
 public:
  // Records the last wish for a key. Lock-free, async-signal-safe.
  void record(KeyBase& key, unsigned state) noexcept;

  // Relaxed: who records one too late to be seen wakes the engine's own thread.
  [[nodiscard]] bool empty() const noexcept { return latest_.load(std::memory_order_relaxed) == nullptr; }

  // Takes all wishes as one batch each; they are followed by `rest`. Commit lock held. What there is no memory for
  // stays recorded.
  QueuedBatch* take_all(QueuedBatch* rest) noexcept;

  // Afterwards: keeps the first error, and puts back what failed before the key could be bound to the engine, so that
  // the engine knows of it when it ends. Commit lock held.
  void done() noexcept;
  [[nodiscard]] std::optional<Error> take_error() noexcept { return std::exchange(error_, std::nullopt); }

  // The key ends while its wish could not be carried out. Commit lock held.
  void forget(KeyBase& key) noexcept;

  // The engine ends: forgets what is recorded.
  void forget_all() noexcept;

 private:
  void push(KeyBase& key) noexcept;

  struct Taken {
    explicit Taken(KeyBase& key, unsigned wanted) noexcept : state{&key, wanted} {
      batch.states = {&state, 1};
      batch.origin = QueuedBatch::Origin::Request;
    }
    QueuedState state;
    QueuedBatch batch;
  };

  // Keys with a wish, the last one first; the others follow by next_wish_. Release and acquire: who takes a key sees
  // its link.
  std::atomic<KeyBase*> latest_{nullptr};

  // Protected by the commit lock.
  std::deque<Taken> taken_;
  std::optional<Error> error_;
};

}  // namespace shunt::detail
