// The commit lock of an engine, and the place where committers wait for it or for another thread to have done their
// work.
//
//   a committer                            the thread that leads
//   1. push its batch
//   2. waiting_ += 1                       a. store verdicts, mark the batches done
//   3. r = releases_                       b. holder_ = nobody
//   4. done? try_lock()? if neither:       c. if waiting_ != 0: releases_ += 1, wake all
//   5. sleep while releases_ == r, go to 3
//
// No wake-up is lost: steps 2 and 4, b and c are sequentially consistent. If 4 finds the lock taken, it came before b,
// so c sees 2 and changes releases_ after 3 read it. Everyone is woken, because most of those who wait are done by the
// same group; of the rest one gets the lock and leads.
#pragma once

#include <atomic>
#include <cstdint>

namespace shunt::detail {

// BasicLockable and Lockable. Not fair, but nobody who waits to commit starves: whoever leads takes all of them along.
class CommitLock {
 public:
  CommitLock() = default;
  CommitLock(const CommitLock&) = delete;
  CommitLock& operator=(const CommitLock&) = delete;

  bool try_lock() noexcept {
    const void* nobody = nullptr;
    // Success acquires what the last holder released. Sequentially consistent: see above.
    return holder_.compare_exchange_strong(nobody, this_thread(), std::memory_order_seq_cst);
  }

  void lock() noexcept {
    if (!try_lock()) lock_unless(nullptr);
  }

  void unlock() noexcept {
    holder_.store(nullptr, std::memory_order_seq_cst);  // releases; see above
    if (waiting_.load(std::memory_order_seq_cst) != 0) wake_all();
  }

  // Blocks until the lock is taken (true), or `*done` is (false; null: never). Precondition: !held_by_this_thread().
  bool lock_unless(const std::atomic<bool>* done) noexcept;

  // Exact for the calling thread. Relaxed: nobody else stores this thread's mark.
  [[nodiscard]] bool held_by_this_thread() const noexcept {
    return holder_.load(std::memory_order_relaxed) == this_thread();
  }

  // How many threads wait at this moment, for tests.
  [[nodiscard]] std::uint32_t waiting() const noexcept { return waiting_.load(std::memory_order_relaxed); }

  // In a child made by fork(), by the thread that holds the lock: the threads that waited are not there.
  void forget_other_threads() noexcept { waiting_.store(0, std::memory_order_relaxed); }

 private:
  // Different for all threads that live, and the same in a forked child.
  static const void* this_thread() noexcept {
    static thread_local const char mark = 0;
    return &mark;
  }
  void wake_all() noexcept;

  std::atomic<const void*> holder_{nullptr};  // this_thread() of the thread that holds the lock
  std::atomic<std::uint32_t> waiting_{0};
  std::atomic<std::uint32_t> releases_{0};  // changes whenever the lock is released while somebody waits; a futex word
};

}  // namespace shunt::detail
