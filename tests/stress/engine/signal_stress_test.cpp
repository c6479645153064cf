// Flips that are serialised by signals, while threads are created and end all the time: short-lived threads execute the
// sites as well as steady ones, so a thread that a round misses can show.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "shunt/engine.h"
#include "tests/engine/flips_under_threads.h"
#include "tests/stress/engine/running_code.h"

namespace shunt::test {
namespace {

constexpr unsigned steady_threads = 2;
constexpr unsigned creators = 2;
constexpr std::uint64_t wanted_flips = 1'000;
constexpr std::uint64_t wanted_threads = 3'000;
constexpr int sites = 16;
constexpr auto time_limit = std::chrono::seconds(200);

class SignalStress : public testing::Test {
 protected:
  void SetUp() override {
    EngineOptions options;
    options.serialisation = Serialisation::Signals;
    options.serialisation_timeout = std::chrono::minutes(2);
    auto engine = Engine::create(options);
    ASSERT_TRUE(engine) << engine.error().message();
    engine_ = std::move(*engine);
    for (int i = 0; i < sites; ++i) code_.push_back(answering_code(*engine_, key_));
  }

  void call(std::size_t which, Counts& counts) {
    const std::uint64_t completed = completed_.load(std::memory_order_acquire);
    const int found = TornGuard::call(code_[which].entry<int()>());
    counts.add(found, completed, begun_.load(std::memory_order_acquire), 2);
  }
  void call_for_ever(Counts& counts, unsigned seed) {
    std::minstd_rand random(seed);
    while (!stop_.load(std::memory_order_relaxed) && !counts.wrong()) call(random() % sites, counts);
    stop_.store(true, std::memory_order_relaxed);
  }
  void create_for_ever(Counts& counts) {
    while (!stop_.load(std::memory_order_relaxed) && !counts.wrong()) {
      std::thread([&] {
        for (std::size_t i = 0; i < sites; ++i) call(i, counts);
      }).join();
      created_.fetch_add(1, std::memory_order_relaxed);  // a count
    }
    stop_.store(true, std::memory_order_relaxed);
  }

  TornGuard guard_;
  StaticKey key_{"flipped"};
  std::unique_ptr<Engine> engine_;
  std::vector<Code> code_;
  std::atomic<bool> stop_ = false;
  std::atomic<std::uint64_t> created_ = 0;
  // See running_code.h for their order.
  std::atomic<std::uint64_t> begun_ = 0;
  std::atomic<std::uint64_t> completed_ = 0;
};

TEST_F(SignalStress, WhileThreadsAreCreatedAndEnd) {
  std::vector<Counts> counts(steady_threads + creators);
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < steady_threads; ++i) {
    threads.emplace_back([&, i] { call_for_ever(counts[i], stress_seed() + i + 1); });
  }
  for (unsigned i = 0; i < creators; ++i) threads.emplace_back([&, i] { create_for_ever(counts[steady_threads + i]); });

  const StressTime time;
  const auto wants_more = [&](std::uint64_t flips) {
    return flips < wanted_flips || created_.load(std::memory_order_relaxed) < wanted_threads;
  };
  Counts own;
  std::uint64_t flips = 0;
  PatchBatch batch(*engine_);
  while (!stop_.load(std::memory_order_relaxed) && time.goes_on(wants_more(flips))) {
    ASSERT_FALSE(time.is_longer_than(time_limit)) << "only " << flips << " flips";
    begun_.store(++flips, std::memory_order_release);
    batch.set(key_, flips % 2 != 0);
    const auto report = batch.commit();
    EXPECT_TRUE(report) << report.error().message();
    if (!report) break;
    EXPECT_EQ(report->mechanism, "signals");
    completed_.store(flips, std::memory_order_release);
    for (std::size_t i = 0; i < sites; ++i) call(i, own);
    if (own.wrong()) break;
  }
  stop_.store(true, std::memory_order_relaxed);
  for (std::thread& thread : threads) thread.join();
  Counts all = own;
  for (const Counts& mine : counts) all.add(mine);
  std::printf("signals: seed %u, %lu flips of %d sites, %lu threads came and went, %lu executions, %lu old, %lu torn\n",
              stress_seed(), flips, sites, created_.load(), all.executions, all.stale, all.torn);
  EXPECT_GE(flips, time.needed(wanted_flips));
  EXPECT_GE(created_.load(), time.needed(wanted_threads));
  EXPECT_EQ(all.torn, 0U) << "executed a torn instruction";
  EXPECT_EQ(all.stale, 0U) << "executed the old instruction after the commit";
}

}  // namespace
}  // namespace shunt::test
