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
  // Records the last wish for a key. Lock-free, async-signal-safe. In two steps, for tests of what may come between.
  void record(KeyBase& key, unsigned state) noexcept {
    if (set_wish(key, state)) list(key);
  }
  static bool set_wish(KeyBase& key, unsigned state) noexcept;  // whether it is for the caller to list the key
  void list(KeyBase& key) noexcept;

  // Whether the key has a wish that no leader has taken, listed or not. Acquire: who finds none finds what a leader
  // that took it has counted in pending_.
  [[nodiscard]] static bool has_wish(const KeyBase& key) noexcept {
    return (key.wish_.load(std::memory_order_acquire) & ~KeyBase::wish_is_listed) != 0;
  }

  // Relaxed: who records one too late to be seen wakes the engine's own thread.
  [[nodiscard]] bool empty() const noexcept { return latest_.load(std::memory_order_relaxed) == nullptr; }

  // Takes all wishes as one batch each, those that are listed and those of the keys of `rest`; they are followed by
  // `rest`. Commit lock held. What there is no memory for stays recorded.
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
  void take_unlisted(KeyBase& key, QueuedBatch*& rest) noexcept;

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
