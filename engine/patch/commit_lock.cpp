#include "engine/patch/commit_lock.h"

#include "engine/service/futex.h"

namespace shunt::detail {

bool CommitLock::lock_unless(const std::atomic<bool>* done) noexcept {
  waiting_.fetch_add(1, std::memory_order_seq_cst);  // step 2
  bool locked = false;
  while (true) {
    const std::uint32_t seen = releases_.load(std::memory_order_seq_cst);  // step 3
    if (done != nullptr && done->load(std::memory_order_acquire)) break;   // see QueuedBatch::done
    locked = try_lock();                                                   // step 4
    if (locked) break;
    futex_wait(releases_, seen);  // step 5
  }
  waiting_.fetch_sub(1, std::memory_order_relaxed);  // too high a count costs a wake-up, nothing else
  return locked;
}

void CommitLock::wake_all() noexcept {
  releases_.fetch_add(1, std::memory_order_seq_cst);
  futex_wake_all(releases_);
}

}  // namespace shunt::detail
