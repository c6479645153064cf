// Grace periods of an engine: its attached threads, who waits for them, and the rounds in which they are looked at.
//
// A request (a wait for Settled or Drained, or a retirement) begins with all threads unseen that are attached at that
// moment, and is done when each was seen:
//
//   Settled   at a safepoint, or away from guest code
//   Drained   the same, and its walked frames have no address in the old path. What is old can be entered anew by
//             nobody (its sites are flipped, and Synced), so seen once is seen for good.
//
// Steps:
//   1. The request is registered, after its commit was Synced.
//   2. Its maker looks at every thread that is away (thread_record.h). In the usual case that is all.
//   3. If threads are left, the driver, a thread of the engine, begins a round, or they join the one under way:
//      a. mark each unseen thread as wanted, look at those that are away
//      b. if some are in guest code, switch the safepoint key on: an ordinary commit, without the lock held
//      c. until none is wanted: threads look at themselves at their next safepoint, the driver looks at those that
//         went away
//      d. switch the key off
//   4. Threads that were found in an old path stay unseen. After a pause, which grows, there is another round. So a
//   frame
//      that stays for long costs guest code two flips and a look every now and then, not a stub in each loop.
//
// A round costs two flips, shared by all requests that are in it.
//
// Locks: `lock_` protects everything here and the records' protected part. Nothing is called with it held: no commit,
// no frame walker, no callback. It is taken by a thread that has claimed a record, never the other way round.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "engine/quiesce/old_path.h"
#include "engine/quiesce/thread_record.h"
#include "shunt/error.h"
#include "shunt/quiescence.h"
#include "shunt/static_key.h"

namespace shunt {
class PatchBatch;
}

namespace shunt::detail {

enum class Wanted : std::uint8_t { Settled, Drained };

// Somebody waits for threads. Protected by the lock of Quiescence once it is registered.
struct QuiescenceRequest {
  struct Unseen {
    std::shared_ptr<ThreadRecord> thread;
    const void* inside = nullptr;  // an address in the old path, as the thread was last looked at
    bool unknown = false;          // its frames could not be walked
  };

  Wanted wanted = Wanted::Settled;
  std::vector<CodeExtent> old_path;
  std::function<void()> completed;  // empty: somebody blocks until `done`

  std::vector<Unseen> unseen;
  const ThreadRecord* waiter = nullptr;  // the attached thread that blocks
  std::uint64_t number = 0;
  QuiescenceReport report;
  bool done = false;
  std::optional<Error> error;
};

class Quiescence {
 public:
  explicit Quiescence(Engine& engine) noexcept : engine_(engine) {}
  ~Quiescence();
  Quiescence(const Quiescence&) = delete;
  Quiescence& operator=(const Quiescence&) = delete;

  // Before the engine ends: no thread is in guest code. Ends the driver and completes what is left.
  void stop() noexcept;
  [[nodiscard]] bool stopping() const;

  // Threads. attach() may throw std::bad_alloc.
  void attach(const std::shared_ptr<ThreadRecord>& record);
  void detach(ThreadRecord& record) noexcept;        // by its Thread
  void thread_ended(ThreadRecord& record) noexcept;  // without having detached
  [[nodiscard]] std::vector<ThreadInfo> threads() const;

  // The calling thread, in guest code, is at a safepoint.
  void reached(ThreadRecord& record, const GuestFrame& frame) noexcept;

  // Blocks until it is done. Errors: see PatchBatch::commit_and_drain().
  Result<QuiescenceReport> wait(Wanted wanted, std::vector<CodeExtent> old_path, const WaitLimit& limit);

  // The same without waiting: `completed` is called by the driver. May throw std::bad_alloc.
  Status request(Wanted wanted, std::vector<CodeExtent> old_path, std::function<void()> completed);

  // Blocks until all requests with a `completed` that were made before have called it. Errors: as wait().
  Status await_completions(const WaitLimit& limit);

  // The calling thread, which is going to block. InvalidArgument if it is in guest code, where nobody could look at it.
  // May throw std::bad_alloc.
  Result<BlockingThread> blocking_thread();

  [[nodiscard]] QuiescenceCounts counts() const;
  void count_retired(std::size_t pieces) noexcept;
  void count_freed(std::size_t pieces) noexcept;

  // fork(). In the child, the other threads count as ended, and who blocked there is forgotten.
  void lock_before_fork();
  void unlock_after_fork();

  StaticKey safepoint_key{"shunt.safepoint"};

  // Further keys that are switched with it. May throw std::bad_alloc.
  void add_safepoint_key(StaticKey& key);
  void remove_safepoint_key(StaticKey& key) noexcept;  // waits while the driver commits; gives its reference back

 private:
  using Lock = std::unique_lock<std::mutex>;
  using Threads = std::vector<std::shared_ptr<ThreadRecord>>;

  // quiescence.cpp; lock_ held
  void register_request(const std::shared_ptr<QuiescenceRequest>& request);
  void apply(ThreadRecord& record) noexcept;
  void forget(ThreadRecord& record) noexcept;
  void finish(std::size_t position) noexcept;
  void withdraw(const QuiescenceRequest& request) noexcept;
  void fail_one_of_a_circle() noexcept;
  void join_round() noexcept;
  [[nodiscard]] const QuiescenceRequest* request_of(const ThreadRecord& waiter) const noexcept;
  [[nodiscard]] const QuiescenceRequest* youngest_in_circle(const QuiescenceRequest& from) const;
  [[nodiscard]] Error limit_error(const QuiescenceRequest& request) const;

  // Looks at the thread if it is away. lock_ not held.
  void look(ThreadRecord& record) noexcept;

  // driver.cpp
  Status start_driver();  // lock_ held
  void drive() noexcept;
  void round(Lock& hold);
  [[nodiscard]] Threads wanted_threads() const;
  void want_unseen() noexcept;
  void look_at(Lock& hold, const Threads& threads) noexcept;
  Status switch_safepoints(Lock& hold, bool on);
  Status switch_on_new_keys(Lock& hold);
  Status commit_switch(Lock& hold, PatchBatch& batch);
  void end_implicit_threads();
  void fail_waits(const Error& error) noexcept;
  void run_completions(Lock& hold) noexcept;
  void restart_in_child() noexcept;

  Engine& engine_;

  mutable std::mutex lock_;
  // In a pointer, because a forked child leaves the one behind that threads of its parent wait for.
  std::unique_ptr<std::condition_variable> changed_ = std::make_unique<std::condition_variable>();
  std::vector<std::shared_ptr<ThreadRecord>> threads_;  // attached, not detached
  std::vector<std::shared_ptr<QuiescenceRequest>> active_;
  std::vector<std::function<void()>> completions_;  // of requests that are done
  std::unique_ptr<std::thread> driver_;
  pid_t forking_ = 0;  // the process that forks
  struct SafepointKey {
    StaticKey* key;
    bool held;  // the driver has a reference
  };
  std::vector<SafepointKey> further_keys_;
  bool new_keys_ = false;   // one was added since they were switched on
  bool switching_ = false;  // the driver commits, and uses the keys without the lock
  bool stop_ = false;
  bool in_round_ = false;
  bool completing_ = false;
  bool fresh_ = false;  // a request came since the last round began
  std::uint64_t requests_ = 0;
  QuiescenceCounts counts_;
};

}  // namespace shunt::detail
