// Core serialisation by signals: who is reached, who need not be, and what happens to who cannot be.
#include "engine/serialise/signal_broadcast.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "shunt/thread.h"
#include "tests/engine/child.h"
#include "tests/engine/flips_under_threads.h"

namespace shunt::test {
namespace {

using detail::SignalBroadcast;
using detail::ThreadListing;
using std::chrono::milliseconds;

constexpr milliseconds long_enough{60'000};  // a time-out that is never reached
constexpr milliseconds soon{20};             // one that is: what is waited for never comes
constexpr int the_signal = SIGURG;           // what is chosen where nobody else uses it

void block(int signal) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}
void unblock(int signal) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}
bool pending(int signal) {
  sigset_t set;
  sigpending(&set);
  return sigismember(&set, signal) == 1;
}

// A thread that does what it is told, one thing after the other.
class Worker {
 public:
  Worker() : thread_([this] { work(); }) {
    do_now([] {});
  }
  ~Worker() {
    task_ = [this] { stop_ = true; };
    hand_over();
    thread_.join();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void start(std::function<void()> task) {
    task_ = std::move(task);
    hand_over();
  }
  void do_now(std::function<void()> task) {
    start(std::move(task));
    finish();
  }
  void finish() const {
    while (begun_.load(std::memory_order_acquire) != done_.load(std::memory_order_acquire)) std::this_thread::yield();
  }
  [[nodiscard]] pid_t id() const { return id_; }

 private:
  void hand_over() { begun_.fetch_add(1, std::memory_order_release); }
  void work() {
    id_ = gettid();
    while (!stop_) {
      const std::uint64_t done = done_.load(std::memory_order_relaxed);
      if (begun_.load(std::memory_order_acquire) == done) {
        std::this_thread::yield();
        continue;
      }
      task_();
      done_.store(done + 1, std::memory_order_release);
    }
  }

  std::function<void()> task_;
  std::atomic<std::uint64_t> begun_ = 0;
  std::atomic<std::uint64_t> done_ = 0;
  bool stop_ = false;
  pid_t id_ = 0;
  std::thread thread_;
};

class SignalBroadcastTest : public testing::Test {
 protected:
  void SetUp() override {
    const Status started = SignalBroadcast::process().start(0);
    ASSERT_TRUE(started) << started.error().message();
  }
  static Status serialise(milliseconds timeout = long_enough) { return SignalBroadcast::process().serialise(timeout); }
  static bool fails_and_names(const Status& status, const std::string& what) {
    if (!status && status.error().code() == ErrorCode::SerialisationFailed &&
        status.error().message().find(what) != std::string::npos)
      return true;
    ADD_FAILURE() << (status ? "it succeeded" : status.error().message());
    return false;
  }
};

TEST_F(SignalBroadcastTest, FlipsUnderRunningThreads) {
  EngineOptions options;
  options.serialisation = Serialisation::Signals;
  const auto engine = Engine::create(options);
  ASSERT_TRUE(engine) << engine.error().message();
  EXPECT_EQ(flips_under_threads(**engine, "signals"), "");
}

// The thread that carries out tickets and the one that waits for safepoints.
TEST_F(SignalBroadcastTest, TheEnginesOwnThreadsTakeTheSignal) {
  EngineOptions options;
  options.serialisation = Serialisation::Signals;
  const auto engine = Engine::create(options);
  ASSERT_TRUE(engine) << engine.error().message();
  ASSERT_TRUE((*engine)->start_service_thread());
  std::atomic<bool> in_guest_code = false, stop = false;
  std::thread guest([&] {
    auto thread = Thread::attach(**engine);
    if (thread) {
      const GuestScope scope(*thread);
      in_guest_code = true;
      while (!stop) thread->safepoint();
    }
    in_guest_code = true;
  });
  while (!in_guest_code) std::this_thread::yield();
  const auto settled = (*engine)->settle();  // by a thread of its own, because one is in guest code
  EXPECT_TRUE(settled) << settled.error().message();
  const Status serialised = serialise(milliseconds(10'000));
  EXPECT_TRUE(serialised) << serialised.error().message();
  stop = true;
  guest.join();
}

TEST_F(SignalBroadcastTest, TheHandlerDisturbsNothing) {
  struct sigaction action{};
  ASSERT_EQ(sigaction(the_signal, nullptr, &action), 0);
  EXPECT_EQ(action.sa_flags & (SA_RESTART | SA_ONSTACK), SA_RESTART | SA_ONSTACK);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  std::atomic<bool> stop = false;
  bool errno_changed = false;
  std::thread spins([&] {
    errno = 4321;
    const volatile int* const my_errno = &errno;
    while (!stop.load(std::memory_order_relaxed)) errno_changed = errno_changed || *my_errno != 4321;
  });
  ssize_t got = 0;
  std::thread reads([&] {
    char byte;
    got = read(ends[0], &byte, 1);
  });
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(serialise());
  EXPECT_EQ(write(ends[1], "x", 1), 1);
  reads.join();
  stop = true;
  spins.join();
  EXPECT_EQ(got, 1) << "a system call was interrupted";
  EXPECT_FALSE(errno_changed);
  close(ends[0]);
  close(ends[1]);
}

TEST_F(SignalBroadcastTest, AThreadThatBlocksTheSignalIsNamedAndServedOnceItUnblocksIt) {
  EngineOptions options;
  options.serialisation = Serialisation::Signals;
  options.serialisation_timeout = soon;
  const auto engine = Engine::create(options);
  ASSERT_TRUE(engine) << engine.error().message();
  StaticKey key("key");
  const Code code = answering_code(**engine, key);
  Worker worker;
  worker.do_now([] { block(the_signal); });
  PatchBatch batch(**engine);
  batch.enable(key);
  const auto report = batch.commit();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code(), ErrorCode::SerialisationFailed);
  EXPECT_NE(report.error().message().find("thread " + std::to_string(worker.id()) + " blocks signal"),
            std::string::npos)
      << report.error().message();
  EXPECT_EQ(code.entry<int()>()(), 1) << "what failed was the serialisation, not the write";
  EXPECT_FALSE(key.enabled());
  EXPECT_FALSE((*engine)->resynchronise());
  worker.do_now([] { unblock(the_signal); });
  EXPECT_TRUE((*engine)->resynchronise());
  EXPECT_TRUE(key.enabled());
}

TEST_F(SignalBroadcastTest, AnAcknowledgementCountsForItsOwnRoundAlone) {
  Worker worker;
  ASSERT_TRUE(serialise());  // the worker acknowledged this one
  worker.do_now([] { block(the_signal); });
  const std::string name = "thread " + std::to_string(worker.id());
  EXPECT_TRUE(fails_and_names(serialise(soon), name));
  EXPECT_TRUE(fails_and_names(serialise(soon), name));
  worker.do_now([] { unblock(the_signal); });
  EXPECT_TRUE(serialise());
}

// In a process where nobody has chosen a signal yet: this program, run anew.
void expect_zero_in_new_process(int (*body)()) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(_exit(body()), testing::ExitedWithCode(0), "");
}

// With a real-time signal, because those queue.
TEST(SignalChoiceDeathTest, AThreadThatIsLateHasOneSignalPendingHoweverManyRoundsFail) {
  expect_zero_in_new_process([] {
    const int signal = SIGRTMIN + 5;
    if (!SignalBroadcast::process().start(signal)) return 1;
    Worker worker;
    worker.do_now([&] { block(signal); });
    for (int i = 0; i < 5; ++i) {
      if (SignalBroadcast::process().serialise(soon)) return 2;
    }
    int taken = 0;
    worker.do_now([&] {
      sigset_t set;
      sigemptyset(&set);
      sigaddset(&set, signal);
      const timespec at_once{};
      while (sigtimedwait(&set, nullptr, &at_once) == signal) ++taken;
      unblock(signal);
    });
    if (taken != 1) return 3;
    return SignalBroadcast::process().serialise(long_enough) ? 0 : 4;  // and it is sent anew
  });
}

TEST_F(SignalBroadcastTest, AThreadThatEndsInTheMiddleIsNotWaitedFor) {
  std::atomic<bool> blocked = false;
  std::thread ends([&] {
    block(the_signal);
    blocked = true;
    while (!pending(the_signal)) std::this_thread::yield();  // a round waits for this thread, which ends
  });
  while (!blocked) std::this_thread::yield();
  EXPECT_TRUE(serialise());
  ends.join();
}

TEST_F(SignalBroadcastTest, AThreadThatSleepsInVforkIsNotWaitedFor) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  std::atomic<int> child = 0;
  std::thread forks([&] {
    const pid_t made = vfork();
    if (made == 0) {
      child.store(getpid(), std::memory_order_relaxed);  // the address space is the parent's
      char byte;
      _exit(read(ends[0], &byte, 1) == 1 ? 0 : 1);
    }
    waitpid(made, nullptr, 0);
  });
  while (child.load(std::memory_order_relaxed) == 0) std::this_thread::yield();
  EXPECT_TRUE(serialise());
  EXPECT_EQ(write(ends[1], "x", 1), 1);
  forks.join();
  close(ends[0]);
  close(ends[1]);
}

// A main thread that ends before the others stays in the list as a zombie, and a signal to it is never taken.
TEST_F(SignalBroadcastTest, AMainThreadThatEndedIsNotWaitedFor) {
  EXPECT_EQ(in_child([] {
              static pid_t main_thread;
              main_thread = gettid();
              std::thread([] {
                while (!detail::status_of(main_thread).ended) std::this_thread::yield();
                _exit(serialise(milliseconds(10'000)) ? 0 : 1);
              }).detach();
              syscall(SYS_exit, 0);  // this thread alone
              return 2;
            }),
            0);
}

TEST_F(SignalBroadcastTest, CallsOfSeveralThreadsAtOnce) {
  std::atomic<int> failures = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 200; ++round) failures += !serialise();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
}

TEST_F(SignalBroadcastTest, ServesAChildOfAProcessWithThreads) {
  std::atomic<bool> stop = false;
  std::thread other([&] {
    while (!stop) EXPECT_TRUE(serialise());
  });
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(in_child([] {
                Worker worker;
                return serialise() ? 0 : 1;
              }),
              0);
  }
  stop = true;
  other.join();
}

// Lists what it is told, then for ever what it listed last.
class Script final : public detail::ThreadLister {
 public:
  struct Line {
    std::vector<pid_t> threads;
    bool complete;
  };
  explicit Script(std::vector<Line> lines) : lines_(std::move(lines)) {}
  ThreadListing list(std::vector<pid_t>& threads) override {
    const Line& line = lines_[std::min(next_++, lines_.size() - 1)];
    threads = line.threads;
    return {0, line.complete};
  }

 private:
  std::vector<Line> lines_;
  std::size_t next_ = 0;
};

// A thread that blocks the signal shows by a time-out that it was signalled.
TEST_F(SignalBroadcastTest, ListsUntilACompleteListingHasNoNewThread) {
  Worker late;
  late.do_now([] { block(the_signal); });
  const std::string name = "thread " + std::to_string(late.id());
  const pid_t self = gettid();
  const std::vector<std::vector<Script::Line>> scripts = {
      {{{self}, false}, {{self, late.id()}, true}},                   // the first one was cut short
      {{{self}, false}, {{self}, false}, {{self, late.id()}, true}},  // nothing new is not enough
  };
  for (const auto& script : scripts) {
    SignalBroadcast broadcast(std::make_unique<Script>(script));
    EXPECT_TRUE(fails_and_names(broadcast.serialise(soon), name));
  }
  SignalBroadcast complete(std::make_unique<Script>(std::vector<Script::Line>{{{self}, true}}));
  EXPECT_TRUE(complete.serialise(soon));
  SignalBroadcast never_complete(std::make_unique<Script>(std::vector<Script::Line>{{{self}, false}}));
  EXPECT_TRUE(fails_and_names(never_complete.serialise(soon), "faster than they can be listed"));
  late.do_now([] { unblock(the_signal); });
}

// A signal that is pending when a thread calls exec hits the new program.
TEST(SignalChoiceDeathTest, AProgramThatStartsInARoundLives) {
  expect_zero_in_new_process([] {
    if (!SignalBroadcast::process().start(0)) return 1;
    for (int i = 0; i < 50; ++i) {
      const int status = in_child([] {
        std::atomic<bool> begun = false;
        std::thread rounds([&] {
          for (;;) begun = SignalBroadcast::process().serialise(long_enough).has_value();
        });
        while (!begun) std::this_thread::yield();
        execl("/bin/true", "true", nullptr);
        return 2;
      });
      if (status != 0) return 3;
    }
    return 0;
  });
}

TEST(SignalChoiceDeathTest, TakesNoSignalThatHasAHandler) {
  expect_zero_in_new_process([] {
    struct sigaction action{};
    action.sa_handler = [](int) {};
    sigaction(SIGURG, &action, nullptr);
    sigaction(SIGRTMAX - 1, &action, nullptr);
    std::signal(SIGRTMAX - 2, SIG_IGN);
    const Status taken = SignalBroadcast::process().start(SIGURG);
    if (taken || taken.error().message().find("has a handler already") == std::string::npos) return 1;
    if (!SignalBroadcast::process().start(0)) return 2;
    struct sigaction chosen{};
    sigaction(SIGRTMAX - 3, nullptr, &chosen);
    if (chosen.sa_handler == SIG_DFL) return 3;
    sigaction(SIGURG, nullptr, &chosen);
    if (chosen.sa_handler != action.sa_handler) return 4;
    const Status other = SignalBroadcast::process().start(SIGUSR2);
    if (other || other.error().message().find("already") == std::string::npos) return 5;
    return SignalBroadcast::process().serialise(long_enough) ? 0 : 6;
  });
}

TEST(SignalChoiceDeathTest, NoticesThatItsHandlerWasReplaced) {
  expect_zero_in_new_process([] {
    if (!SignalBroadcast::process().start(SIGUSR1)) return 1;
    std::signal(SIGUSR1, SIG_IGN);
    const Status failed = SignalBroadcast::process().serialise(long_enough);
    if (failed || failed.error().message().find("replaced") == std::string::npos) return 2;
    return SignalBroadcast::process().start(0) ? 3 : 0;
  });
}

TEST(SignalChoiceDeathTest, RefusesSignalsThatCannotBeHandledAndTimesOfNothing) {
  expect_zero_in_new_process([] {
    EngineOptions options;
    options.serialisation = Serialisation::Signals;
    options.serialisation_signal = SIGKILL;
    const auto killed = Engine::create(options);
    if (killed || killed.error().code() != ErrorCode::SerialisationUnavailable) return 1;
    options.serialisation_signal = 0;
    options.serialisation_timeout = milliseconds(0);
    const auto hasty = Engine::create(options);
    return !hasty && hasty.error().code() == ErrorCode::InvalidArgument ? 0 : 2;
  });
}

TEST(ThreadLister, TakesOneCallHoweverManyThreadsThereAre) {
  constexpr std::size_t many = 1600;  // more than the first buffer has room for
  std::atomic<bool> stop = false;
  std::vector<std::thread> sleepers;
  for (std::size_t i = 0; i < many; ++i) sleepers.emplace_back([&] { stop.wait(false); });
  detail::ThreadLister lister;
  std::vector<pid_t> threads;
  EXPECT_FALSE(lister.list(threads).complete);
  const ThreadListing second = lister.list(threads);
  EXPECT_TRUE(second.complete);
  EXPECT_GT(threads.size(), many);
  stop = true;
  stop.notify_all();
  for (std::thread& sleeper : sleepers) sleeper.join();
}

// The kernel's list is cut short when the thread that it stands on ends: a listing that says that it is complete holds
// every thread that was there all the time.
TEST(ThreadLister, ACompleteListingMissesNobody) {
  std::atomic<bool> stop = false;
  std::vector<std::thread> churners;
  for (int i = 0; i < 2; ++i) {
    churners.emplace_back([&] {
      while (!stop) std::thread([] {}).join();
    });
  }
  std::vector<pid_t> steady;
  {
    std::vector<std::unique_ptr<Worker>> workers;
    for (int i = 0; i < 6; ++i) workers.push_back(std::make_unique<Worker>());
    for (const auto& worker : workers) steady.push_back(worker->id());
    detail::ThreadLister lister;
    std::vector<pid_t> threads;
    int complete = 0;
    for (int i = 0; i < 2000; ++i) {
      const ThreadListing listing = lister.list(threads);
      ASSERT_EQ(listing.error, 0);
      if (!listing.complete) continue;
      ++complete;
      for (pid_t thread : steady) {
        ASSERT_NE(std::find(threads.begin(), threads.end(), thread), threads.end()) << "in listing " << i;
      }
    }
    EXPECT_GT(complete, 0);
  }
  stop = true;
  for (std::thread& churner : churners) churner.join();
}

}  // namespace
}  // namespace shunt::test
