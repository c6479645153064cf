#include "engine/serialise/signal_broadcast.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <new>
#include <string>
#include <utility>

#include "arch/backend.h"
#include "engine/patch/mutant.h"
#include "engine/serialise/probe.h"

namespace shunt::detail {
namespace {

constexpr std::size_t thread_ids = std::size_t{1} << 22;  // Linux's PID_MAX_LIMIT: no thread id is as high

// What the handler and the rounds share. One a process, because there is one handler.
struct Acknowledgements {
  // The number of the last round that began. A round begins by adding 1 (acquire and release): the handler that sees
  // this number (acquire) runs after what the round's caller had written, and a caller that adds 0 (acquire and
  // release) is ordered before the next round.
  std::atomic<std::uint64_t> round{0};

  // For each thread id the number of the round that its thread acknowledged last: the round that its handler saw when
  // it began, so an acknowledgement that comes late counts for what it saw, never for a later round. Stored with
  // release after the serialising instruction, loaded with acquire. A mapping that is never taken back, so that a
  // handler may come at any time; its pages are taken as they are touched. A thread id that is used again leads a new
  // thread to its predecessor's number: that is of an earlier round, or the new thread was created in this one.
  std::uint64_t* by_thread = nullptr;

  // Futex: changes with every acknowledgement. Release, so that who sees the change sees the acknowledgement.
  std::atomic<std::uint32_t> count{0};

  // 0: no handler is installed. Written under SignalBroadcast::process()'s lock; relaxed, because signal_in_use() alone
  // reads it without, as data.
  std::atomic<int> signal{0};
};
Acknowledgements shared;

long futex(std::atomic<std::uint32_t>& word, int operation, std::uint32_t value, const timespec* timeout) noexcept {
  return syscall(SYS_futex, &word, operation | FUTEX_PRIVATE_FLAG, value, timeout, nullptr, 0);
}

// Async-signal-safe: atomics, gettid and futex. All signals are blocked while it runs, so no other handler can leave it
// by a jump before it has acknowledged.
void acknowledge(int) {
  const int saved_errno = errno;
  const std::uint64_t round = shared.round.load(std::memory_order_acquire);
  arch::host::serialise_this_core();
  std::atomic_ref(shared.by_thread[gettid()]).store(round, std::memory_order_release);
  shared.count.fetch_add(1, std::memory_order_release);
  futex(shared.count, FUTEX_WAKE, 1, nullptr);
  errno = saved_errno;
}

long send_to(pid_t thread, int signal) noexcept {
  return syscall(SYS_tgkill, getpid(), thread, signal);
}

// What a signal does now. `error` is sigaction(2)'s.
struct Action {
  int error = 0;
  bool is_default = false, is_ours = false;
};
Action action_of(int signal) noexcept {
  struct sigaction now{};
  if (sigaction(signal, nullptr, &now) != 0) return {.error = errno};
  const bool simple = (now.sa_flags & SA_SIGINFO) == 0;
  return {0, simple && now.sa_handler == SIG_DFL, simple && now.sa_handler == &acknowledge};
}

// Empty if the handler of the signal that the process uses is ours.
std::string why_not_ours() {
  const Action now = action_of(shared.signal);
  if (now.is_ours) return {};
  const std::string handler = "the handler of signal " + std::to_string(shared.signal);
  return now.error != 0 ? handler + ": sigaction: " + std::strerror(now.error) : handler + " was replaced";
}

bool has_default(int signal) noexcept {
  return action_of(signal).is_default;
}

int unused_signal() noexcept {
  if (has_default(SIGURG) && !mutated(Mutant::ChooseRealTimeSignal)) return SIGURG;
  for (int signal = SIGRTMAX - 1; signal >= SIGRTMIN; --signal) {
    if (has_default(signal)) return signal;
  }
  return 0;
}

// SA_ONSTACK: threads may run code whose stack has no room, and have an alternative one for that reason.
bool set_handler(int signal) noexcept {
  struct sigaction action{};
  action.sa_handler = &acknowledge;
  action.sa_flags = SA_RESTART | SA_ONSTACK;
  sigfillset(&action.sa_mask);
  return sigaction(signal, &action, nullptr) == 0;
}

std::uint64_t bit_of(int signal) noexcept {
  return std::uint64_t{1} << (signal - 1);
}

Error no_signals(const std::string& cause) {
  return make_error(ErrorCode::SerialisationUnavailable, "signals to all threads: " + cause);
}

Error failed(const std::string& cause) {
  return make_error(ErrorCode::SerialisationFailed,
                    "signals to all threads: " + cause + "; the code is written, Engine::resynchronise() tries again");
}

// The system calls of a round. Runs in a child (probe.h).
void try_calls() {
  static char entries[4096];
  const int folder = open("/proc/self/task", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
  syscall(SYS_getdents64, folder, entries, sizeof entries);
  struct stat found{};
  fstatat(folder, "1", &found, 0);
  close(folder);
  send_to(gettid(), 0);
  futex(shared.count, FUTEX_WAKE, 1, nullptr);
}

}  // namespace

SignalBroadcast& SignalBroadcast::process() {
  static auto* const made = [] {  // never destroyed: threads may be signalled until the process ends
    auto* const broadcast = new SignalBroadcast(std::make_unique<ThreadLister>());
    hold_at_fork(*broadcast, ForkOrder::Serialiser);
    return broadcast;
  }();
  return *made;
}

void SignalBroadcast::unlock_after_fork(ForkSide side) noexcept {
  if (side == ForkSide::Child) late_.clear();  // those were the parent's threads; no signal is pending in a new child
  lock_.unlock();
}

Status SignalBroadcast::start(int signal) {
  const std::lock_guard hold(lock_);
  if (shared.signal != 0 && signal != 0 && signal != shared.signal) {
    return no_signals("signal " + std::to_string(signal) + " is wanted, but this process's engines use signal " +
                      std::to_string(shared.signal) + " already");
  }
  if (const std::string cause = why_not(&try_calls); !cause.empty()) {
    return no_signals("listing threads and tgkill(2): " + cause);
  }
  if (send_to(gettid(), 0) != 0) return no_signals(std::string("tgkill(2): ") + std::strerror(errno));
  const ThreadListing listing = lister_->list(listed_);
  if (listing.error != 0) return no_signals(std::string("/proc/self/task: ") + std::strerror(listing.error));
  if (std::find(listed_.begin(), listed_.end(), gettid()) == listed_.end()) {
    return no_signals("/proc/self/task does not list the calling thread; is /proc that of another pid namespace?");
  }
  return install(signal);
}

int SignalBroadcast::signal_in_use() noexcept {
  return shared.signal.load(std::memory_order_relaxed);  // see there
}

Status SignalBroadcast::install(int signal) {
  if (shared.signal != 0) {
    const std::string problem = why_not_ours();
    return problem.empty() ? Status(Ok{}) : no_signals(problem);
  }
  if (signal == 0) {
    signal = unused_signal();
    if (const int error = action_of(SIGURG).error; signal == 0 && error != 0)
      return no_signals(std::string("sigaction: ") + std::strerror(error));
    if (signal == 0) return no_signals("SIGURG and all real-time signals have handlers already");
  }
  const Action now = action_of(signal);
  if (now.error != 0 && now.error != EINVAL)  // EINVAL: there is no such signal
    return no_signals("sigaction for signal " + std::to_string(signal) + ": " + std::strerror(now.error));
  if (!now.is_default && !mutated(Mutant::TakeAnySignal)) {
    return no_signals("signal " + std::to_string(signal) +
                      " has a handler already, or is none that can have one; name another one in "
                      "EngineOptions::serialisation_signal, or 0");
  }
  if (shared.by_thread == nullptr) {
    void* const mapped = mmap(nullptr, thread_ids * sizeof(std::uint64_t), PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) return no_signals(std::string("mmap: ") + std::strerror(errno));
    shared.by_thread = static_cast<std::uint64_t*>(mapped);
  }
  if (!set_handler(signal)) {
    return no_signals("sigaction for signal " + std::to_string(signal) + ": " + std::strerror(errno));
  }
  shared.signal = signal;
  return Ok{};
}

Status SignalBroadcast::serialise(std::chrono::milliseconds timeout) {
  const std::uint64_t begun = shared.round.fetch_add(0, std::memory_order_acq_rel);
  const std::lock_guard hold(lock_);
  if (completed_ > begun) {  // a whole round passed while this call waited
    arch::host::serialise_this_core();
    return Ok{};
  }
  const std::uint64_t round = shared.round.fetch_add(1, std::memory_order_acq_rel) + 1;  // 1. the round begins
  try {
    if (Status status = run_round(round, timeout); !status) return status;
  } catch (const std::bad_alloc&) {
    return failed("no heap memory for the list of threads");
  }
  completed_ = round;
  return Ok{};
}

Status SignalBroadcast::run_round(std::uint64_t round, std::chrono::milliseconds timeout) {
  if (const std::string problem = why_not_ours(); !problem.empty()) return failed(problem);
  const Clock::time_point deadline = Clock::now() + timeout;
  // 2. Every thread but this one is sent the signal.
  if (Status status = signal_all(deadline); !status) return status;
  // 3. Each acknowledges, or turns out to need not.
  if (!await(round, deadline)) {
    late_ = waiting_;
    return late(timeout);
  }
  late_.clear();
  // 4. This thread.
  arch::host::serialise_this_core();
  return Ok{};
}

Status SignalBroadcast::signal_all(Clock::time_point deadline) {
  constexpr unsigned enough_listings = 64;  // see "Which threads" in the header
  const pid_t self = gettid();
  seen_.assign(1, self);
  waiting_.clear();
  for (unsigned complete_listings = 0;;) {
    const ThreadListing listing = lister_->list(listed_);
    if (listing.error != 0) return failed(std::string("/proc/self/task: ") + std::strerror(listing.error));
    if (std::find(listed_.begin(), listed_.end(), self) == listed_.end()) {
      return failed("/proc/self/task does not list the calling thread");
    }
    const auto known = static_cast<std::ptrdiff_t>(seen_.size());
    for (const pid_t thread : listed_) {
      if (std::binary_search(seen_.begin(), seen_.begin() + known, thread)) continue;
      seen_.push_back(thread);
      if (Status status = send(thread); !status) return status;
    }
    const bool none_new = static_cast<std::ptrdiff_t>(seen_.size()) == known;
    if (!none_new) std::sort(seen_.begin(), seen_.end());
    if (mutated(Mutant::ListThreadsOnce)) return Ok{};
    complete_listings += listing.complete;
    if (listing.complete && (none_new || complete_listings == enough_listings)) return Ok{};
    if (Clock::now() >= deadline) return failed("threads end faster than they can be listed");
  }
}

// To a thread where the signal of an earlier round is still pending, no other one is sent: the pending one will be
// acknowledged for this round. So a thread that never takes it has one signal in its queue, not one a round.
Status SignalBroadcast::send(pid_t thread) {
  const bool was_late = std::find(late_.begin(), late_.end(), thread) != late_.end();
  if (was_late && !mutated(Mutant::SignalAgain) && (status_of(thread).pending & bit_of(shared.signal)) != 0) {
    waiting_.push_back(thread);
    return Ok{};
  }
  // EAGAIN: no room in this user's queue of real-time signals (RLIMIT_SIGPENDING); look_after_waiting() tries again.
  if (send_to(thread, shared.signal) == 0 || errno == EAGAIN) {
    waiting_.push_back(thread);
  } else if (errno != ESRCH) {  // ESRCH: it has ended
    return failed("tgkill(2) of thread " + std::to_string(thread) + ": " + std::strerror(errno));
  }
  return Ok{};
}

void SignalBroadcast::drop_acknowledged(std::uint64_t round) noexcept {
  if (mutated(Mutant::CountLateAnswer)) --round;
  while (!waiting_.empty() &&
         std::atomic_ref(shared.by_thread[waiting_.back()]).load(std::memory_order_acquire) >= round) {
    waiting_.pop_back();
  }
}

// Whether all have acknowledged, or need not, in time.
bool SignalBroadcast::await(std::uint64_t round, Clock::time_point deadline) {
  std::chrono::microseconds pause{100};  // a thread that was ending is waited for so long
  constexpr std::chrono::microseconds longest_pause{64'000};
  for (Clock::time_point next_look = Clock::now() + pause;;) {
    const std::uint32_t seen = shared.count.load(std::memory_order_acquire);
    drop_acknowledged(round);
    if (waiting_.empty()) return true;
    const Clock::time_point now = Clock::now();
    if (now >= next_look || now >= deadline) {
      look_after_waiting();
      if (waiting_.empty()) return true;
      if (now >= deadline) return false;
      pause = std::min(2 * pause, longest_pause);
      next_look = now + pause;
    }
    const auto left = std::chrono::nanoseconds(std::min(next_look, deadline) - now).count();
    const timespec timeout{static_cast<time_t>(left / 1'000'000'000), static_cast<long>(left % 1'000'000'000)};
    futex(shared.count, FUTEX_WAIT, seen, &timeout);  // however it ends, the loop looks again
  }
}

// Drops those that need not acknowledge. Where the signal is not pending, it found no room, or the thread has ended and
// another one got its id, or the handler is running: it is sent again, which never harms.
void SignalBroadcast::look_after_waiting() noexcept {
  const std::uint64_t signal = bit_of(shared.signal);
  std::erase_if(waiting_, [&](pid_t thread) {
    const ThreadStatus status = status_of(thread);
    if (status.ended && !mutated(Mutant::WaitForTheEnded)) return true;
    const bool pending = (status.pending & signal) != 0;
    if (!pending) return send_to(thread, shared.signal) != 0 && errno == ESRCH;
    return status.uninterruptible && (status.blocked & signal) == 0;
  });
}

Error SignalBroadcast::late(std::chrono::milliseconds timeout) const {
  const pid_t thread = waiting_.back();
  const bool blocks = (status_of(thread).blocked & bit_of(shared.signal)) != 0;
  return failed("thread " + std::to_string(thread) + (blocks ? " blocks signal " : " did not take signal ") +
                std::to_string(shared.signal) + " for " + std::to_string(timeout.count()) +
                " ms (EngineOptions::serialisation_timeout)");
}

namespace {

class SignalSerialiser final : public CoreSerialiser {
 public:
  explicit SignalSerialiser(std::chrono::milliseconds timeout) : timeout_(timeout) {}
  [[nodiscard]] std::string_view name() const noexcept override { return "signals"; }
  Status serialise() override { return SignalBroadcast::process().serialise(timeout_); }

 private:
  const std::chrono::milliseconds timeout_;
};

}  // namespace

Result<std::unique_ptr<CoreSerialiser>> make_signal_serialiser(int signal, std::chrono::milliseconds timeout) {
  if (Status status = SignalBroadcast::process().start(signal); !status) return status.error();
  return std::unique_ptr<CoreSerialiser>(std::make_unique<SignalSerialiser>(timeout));
}

}  // namespace shunt::detail
