// Core serialisation by signals, where membarrier(2) is missing: a signal to every thread of the process, whose handler
// executes a serialising instruction (x86-64) or a context synchronisation event (arm64) and acknowledges.
//
// Which threads. A round has to reach every thread that existed when it began. The kernel's list is not atomic, so it
// is read until a complete listing (thread_list.h) names no thread that was not signalled. A thread that is created
// while the round runs may be signalled or not, and needs no signal, whoever created it: it has executed nothing yet,
// and the kernel enters user mode with a new thread by IRET, which is a serialising instruction, or ERET, which is a
// context synchronisation event. (What the creating thread had fetched ahead is no argument: it concerns another core.)
// So where threads are created faster than they can be listed, a bounded number of complete listings ends the round as
// well.
//
// Who need not acknowledge: a thread that has ended; and one that is asleep in the kernel uninterruptibly with the
// signal pending and not blocked, because it takes the signal before its next instruction in user mode.
//
// What is weaker than with membarrier: a thread that blocks the signal makes a round fail by time-out; the kernel
// serialises a core that a thread moves to only by what it executes anyway when it switches threads; and a child made
// by vfork() is another process, so it must not run published code.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/fork.h"
#include "engine/serialise/core_serialiser.h"
#include "engine/serialise/thread_list.h"
#include "shunt/error.h"

namespace shunt::detail {

// One a process, shared by all engines: there is one handler. (Tests make others, with listers of their own.)
// Thread-safe.
class SignalBroadcast final : public LockedAtFork {
 public:
  static SignalBroadcast& process();
  explicit SignalBroadcast(std::unique_ptr<ThreadLister> lister) : lister_(std::move(lister)) {}

  // Finds out whether it can work, and installs the handler, once a process. `signal`: 0 chooses one that has no
  // handler (SIGURG, because it is ignored by default: a signal that is pending when a thread calls exec hits the new
  // program, and a real-time signal would end it; if SIGURG has a handler, a real-time signal). Errors:
  // SerialisationUnavailable (names the cause); then nothing has changed.
  Status start(int signal);

  // The signal that rounds are made by, or 0 while there were none: what no thread of the process may block. Does not
  // block.
  [[nodiscard]] static int signal_in_use() noexcept;

  // The guarantee of CoreSerialiser::serialise(). Rounds come one after the other; a call that waited while another
  // thread's whole round passed needs none of its own. Errors: SerialisationFailed, which names the thread that did not
  // acknowledge within `timeout`. Precondition: started.
  Status serialise(std::chrono::milliseconds timeout);

  void lock_before_fork() override { lock_.lock(); }
  void unlock_after_fork(ForkSide side) noexcept override;

 private:
  using Clock = std::chrono::steady_clock;

  Status install(int signal);
  Status run_round(std::uint64_t round, std::chrono::milliseconds timeout);
  Status signal_all(Clock::time_point deadline);
  Status send(pid_t thread);
  bool await(std::uint64_t round, Clock::time_point deadline);
  void drop_acknowledged(std::uint64_t round) noexcept;
  void look_after_waiting() noexcept;
  Error late(std::chrono::milliseconds timeout) const;

  // Protects all below. Held during a round; engines' commit locks are taken before it, nothing after it.
  std::mutex lock_;
  std::unique_ptr<ThreadLister> lister_;
  std::uint64_t completed_ = 0;  // the last round that succeeded
  std::vector<pid_t> listed_;
  std::vector<pid_t> seen_;     // this round's threads; sorted
  std::vector<pid_t> waiting_;  // of these, the ones that have not acknowledged
  std::vector<pid_t> late_;     // did not acknowledge in time in the last round: the signal may still be pending there
};

// Errors: SerialisationUnavailable (names the cause). `signal` as above.
Result<std::unique_ptr<CoreSerialiser>> make_signal_serialiser(int signal, std::chrono::milliseconds timeout);

}  // namespace shunt::detail
