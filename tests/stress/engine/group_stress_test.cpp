// Everything at once: threads that commit, queue and request, each its own key, while threads that run the code begin
// and end, and signals interrupt those that commit. Nothing stale, nothing torn, nothing lost.
#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "tests/engine/host_code.h"
#include "tests/engine/serialised.h"
#include "tests/engine/test_code.h"
#include "tests/stress/engine/running_code.h"

namespace shunt::test {
namespace {

constexpr unsigned committers = 6;
constexpr unsigned states = 8;
constexpr std::uint64_t wanted_flips = 4'000;           // of each committer
constexpr auto time_limit = std::chrono::seconds(100);  // however slow the machine

// A key, and a function that begins with a site of it. One thread flips it: see running_code.h for the counters.
struct Flipped {
  explicit Flipped(Engine& engine) {
    std::vector<std::uint32_t> answers;
    for (std::uint32_t state = 1; state < states; ++state) answers.push_back(16 + 16 * state);
    const std::vector<TestSite> sites = {{&key, SiteForm::AlignedWord, 0, answers}};
    const Engine::Allocation allocation = written_code(engine, 16 + 16 * states, sites, trap_byte);
    write_answer(allocation.staging + idle_site(host_set, SiteForm::AlignedWord, 0).length, 0);
    for (std::uint32_t state = 1; state < states; ++state) write_answer(allocation.staging + answers[state - 1], state);
    auto published = engine.publish(allocation, new_sites(sites));
    EXPECT_TRUE(published) << (published ? "" : published.error().message());
    if (published) code = std::move(*published);
  }
  void run(Counts& counts) const {
    const std::uint64_t done = completed.load(std::memory_order_acquire);
    const int found = TornGuard::call(code.entry<int()>());
    counts.add(found, done, begun.load(std::memory_order_acquire), states);
  }

  StaticSwitch key{"flipped", states};
  Code code;
  std::atomic<std::uint64_t> begun = 0, completed = 0;
};

class GroupStress : public testing::Test {
 protected:
  void SetUp() override {
    auto engine = Engine::create();
    ASSERT_TRUE(engine) << engine.error().message();
    engine_ = std::move(*engine);
    for (unsigned i = 0; i <= committers; ++i) keys_.push_back(std::make_unique<Flipped>(*engine_));
    current_ = this;
    struct sigaction action{};
    action.sa_handler = &interrupt;
    action.sa_flags = SA_RESTART;
    ASSERT_EQ(sigaction(SIGUSR1, &action, &old_action_), 0);
  }
  void TearDown() override { sigaction(SIGUSR1, &old_action_, nullptr); }

  // On a thread that is anywhere in a commit: runs code, and wishes.
  static void interrupt(int) {
    static thread_local unsigned wish = 0;
    GroupStress& self = *current_;
    Counts now;
    self.keys_[0]->run(now);
    if (now.wrong()) self.wrong_in_handlers_.fetch_add(1, std::memory_order_relaxed);
    self.engine_->request(self.keys_[committers]->key, ++wish % states);
    self.interruptions_.fetch_add(1, std::memory_order_relaxed);
  }

  // By commit, by ticket, by request: in turn.
  bool flip(Flipped& flipped, PatchBatch& batch, std::uint64_t number) {
    const auto state = static_cast<unsigned>(number % states);
    if (number % 5 == 4) {
      if (!engine_->request(flipped.key, state)) return false;
      if (number % 2 == 0) return engine_->carry_out_requests().has_value() && flipped.key.state() == state;
      while (flipped.key.state() != state) std::this_thread::yield();  // the engine's own thread, or another's commit
      return true;
    }
    batch.set(flipped.key, state);
    const Result<CommitReport> report = number % 5 == 3 ? batch.commit_async().wait() : batch.commit();
    if (!report) return false;
    if (report->batches > 1) shared_.fetch_add(1, std::memory_order_relaxed);
    return report->sites_written == 1;
  }

  void commit(unsigned which) {
    Flipped& flipped = *keys_[which];
    PatchBatch batch(*engine_);
    for (std::uint64_t number = 1; time_.bounded() ? time_.goes_on(false) : number <= wanted_flips; ++number) {
      if (stop_.load(std::memory_order_relaxed)) return;
      flipped.begun.store(number, std::memory_order_release);
      if (!flip(flipped, batch, number)) {
        lost_.fetch_add(1, std::memory_order_relaxed);
        stop_.store(true, std::memory_order_relaxed);
      }
      flipped.completed.store(number, std::memory_order_release);
    }
  }

  // A thread that runs for a while and ends.
  Counts run_for_a_while(unsigned seed) {
    Counts counts;
    std::thread([&] {
      std::minstd_rand random(seed);
      for (int i = 0; i < 500; ++i) keys_[random() % committers]->run(counts);
    }).join();
    return counts;
  }

  static inline GroupStress* current_ = nullptr;
  struct sigaction old_action_ = {};
  TornGuard guard_;
  StressTime time_;
  std::unique_ptr<Engine> engine_;
  std::vector<std::unique_ptr<Flipped>> keys_;  // the last one is for wishes of signal handlers; end before the engine
  std::atomic<std::uint64_t> shared_ = 0, lost_ = 0, interruptions_ = 0, wrong_in_handlers_ = 0;  // counts
  std::atomic<bool> stop_ = false;
};

TEST_F(GroupStress, CommitsTicketsAndRequestsUnderSignalsAndPassingThreads) {
  ASSERT_TRUE(engine_->start_service_thread());
  std::vector<std::thread> all;
  std::atomic<unsigned> running = committers;
  for (unsigned i = 0; i < committers; ++i) {
    all.emplace_back([this, i, &running] {
      commit(i);
      --running;
    });
  }
  const auto begin = Clock::now();
  std::minstd_rand random(stress_seed());
  Counts counts;
  unsigned threads = 0;
  while (running != 0 && Clock::now() - begin < time_limit && !counts.wrong()) {
    counts.add(run_for_a_while(stress_seed() + ++threads));
    for (unsigned i = 0; i < 10; ++i) pthread_kill(all[random() % committers].native_handle(), SIGUSR1);
  }
  EXPECT_EQ(running, 0U) << "not done in time";
  stop_ = true;
  for (std::thread& thread : all) thread.join();
  EXPECT_TRUE(engine_->carry_out_requests());
  std::uint64_t flips = 0;
  for (unsigned i = 0; i < committers; ++i) {
    const std::uint64_t last = keys_[i]->completed;
    EXPECT_EQ(keys_[i]->key.state(), last % states);
    EXPECT_GE(last, time_.needed(wanted_flips));
    flips += last;
  }
  std::printf(
      "group: seed %u, %u committers, %lu flips, %lu of them in shared commits; %u threads ran code and ended, "
      "%lu executions, %lu signals, %lu old, %lu torn; %s\n",
      stress_seed(), committers, flips, shared_.load(), threads, counts.executions, interruptions_.load(), counts.stale,
      counts.torn, serialised(*engine_).c_str());
  EXPECT_EQ(counts.torn, 0U) << "executed a torn instruction";
  EXPECT_EQ(counts.stale, 0U) << "executed the old instruction after the commit";
  EXPECT_EQ(wrong_in_handlers_.load(), 0U) << "in a signal handler";
  EXPECT_EQ(lost_.load(), 0U) << "a flip was lost";
}

}  // namespace
}  // namespace shunt::test
