// Flips of host sites under four running threads, while the text that they execute is moved again and again: nothing
// stale after a commit, nothing torn, no page missing.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "engine/engine_impl.h"
#include "shunt/engine.h"
#include "shunt/host_site.h"
#include "tests/engine/serialised.h"
#include "tests/stress/engine/running_code.h"

namespace shunt::test {
namespace {

constexpr std::uint64_t wanted_flips = 20'000;
constexpr std::uint64_t flips_between_moves = 50;
constexpr unsigned runners = 4;
constexpr auto time_limit = std::chrono::seconds(100);

StaticKey flipped{"flipped"};

// The state that the site finds. Two sites behind each number of no-ops, so for each place in a cache line: one of each
// kind.
template <int place>
[[gnu::noinline]] int unlikely_site() {
  asm volatile(".balign 64\n.rept %c0\nnop\n.endr" : : "i"(place));
  return SHUNT_UNLIKELY(flipped) ? 1 : 0;
}
template <int place>
[[gnu::noinline]] int likely_site() {
  asm volatile(".balign 64\n.rept %c0\nnop\n.endr" : : "i"(place));
  return SHUNT_LIKELY(flipped) ? 1 : 0;
}

template <int... places>
std::vector<int (*)()> functions_at(std::integer_sequence<int, places...>) {
  return {&unlikely_site<places>..., &likely_site<places>...};
}

// What moves the text again before the next flip: as after a fork().
void share_text(Engine& engine) {
  auto& inside = detail::EngineInside::of(engine);
  const std::lock_guard hold(inside.commit_lock);
  inside.share_host_text();
}

TEST(HostStress, SitesUnderRunningThreadsWhileTheirTextMoves) {
  const auto engine = Engine::process();
  ASSERT_TRUE(engine) << engine.error().message();
  const std::vector<int (*)()> functions = functions_at(std::make_integer_sequence<int, 64>{});
  const TornGuard guard;
  std::atomic<std::uint64_t> begun = 0, completed = 0;  // see running_code.h for their order
  std::atomic<bool> stop = false;
  std::vector<Counts> counts(runners);
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < runners; ++i) {
    threads.emplace_back([&, i] {
      std::minstd_rand random(stress_seed() + i + 1);
      while (!stop.load(std::memory_order_relaxed) && !counts[i].wrong()) {
        const std::uint64_t before = completed.load(std::memory_order_acquire);
        const int found = TornGuard::call(functions[random() % functions.size()]);
        counts[i].add(found, before, begun.load(std::memory_order_acquire), 2);
      }
      if (counts[i].wrong()) stop.store(true, std::memory_order_relaxed);
    });
  }

  Counts own;
  std::uint64_t flips = 0, moves = 0;
  const StressTime time;
  PatchBatch batch(**engine);
  while (!stop.load(std::memory_order_relaxed) && time.goes_on(flips < wanted_flips)) {
    if (time.is_longer_than(time_limit)) break;
    if (flips % flips_between_moves == 0) {
      share_text(**engine);
      ++moves;
    }
    begun.store(++flips, std::memory_order_release);
    batch.set(flipped, flips % 2 != 0);
    const auto report = batch.commit();
    EXPECT_TRUE(report) << report.error().message();
    if (!report) break;
    completed.store(flips, std::memory_order_release);
    EXPECT_EQ(report->sites_written, functions.size()) << "a flip was lost";
    for (const auto function : functions) own.add(TornGuard::call(function), flips, flips, 2);
    if (own.wrong()) break;
  }
  stop.store(true, std::memory_order_relaxed);
  for (std::thread& thread : threads) thread.join();
  Counts all = own;
  for (const Counts& one : counts) all.add(one);
  std::printf("host sites: seed %u, %lu flips of 128 sites, %lu moves, %lu executions, %lu old, %lu torn; %s\n",
              stress_seed(), flips, moves, all.executions, all.stale, all.torn, serialised(**engine).c_str());
  EXPECT_EQ(all.torn, 0U) << "executed a torn instruction, or a missing page";
  EXPECT_EQ(all.stale, 0U) << "executed the old instruction after the commit";
  if (!HasFailure()) {
    EXPECT_GE(flips, time.needed(wanted_flips)) << "too slow";
  }
}

}  // namespace
}  // namespace shunt::test
