// The fixture of the flip stress tests: functions with one site each, threads that run them, and the thread that flips.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
#include <random>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "tests/engine/host_code.h"
#include "tests/engine/serialised.h"
#include "tests/engine/test_code.h"
#include "tests/stress/engine/running_code.h"

namespace shunt::test {

inline constexpr unsigned runners = 4;
inline constexpr std::uint32_t line = 64;
inline constexpr auto time_limit = std::chrono::seconds(100);  // of one test, however slow the machine
inline constexpr int tests_in_this_program = 7;                // they share SHUNT_STRESS_SECONDS

// One function for each place of a site in a cache line. Between the functions, traps.
class Functions {
 public:
  // `spread`: the bytes over which the answers are scattered, so that displacements differ in many bytes.
  Functions(Engine& engine, KeyBase& key, SiteForm form, std::uint32_t spread, unsigned seed)
      : Functions(engine, key, form, spread, seed, line_offsets()) {}
  Functions(Engine& engine, KeyBase& key, SiteForm form, std::uint32_t spread, unsigned seed,
            const std::vector<std::uint32_t>& offsets)
      : states_(key.states()) {
    std::mt19937 random(seed);
    const std::uint32_t slots = offsets.back() + slot;
    std::vector<std::uint32_t> answers;
    for (unsigned state = 1; state < states_; ++state) {
      const auto scattered = static_cast<std::uint32_t>(random() % spread);
      answers.push_back(slots + 2 * slot * state + scattered / instruction_alignment * instruction_alignment);
    }
    std::vector<TestSite> sites;
    for (std::uint32_t offset : offsets) sites.push_back({&key, form, offset, answers});
    const Engine::Allocation allocation = written_code(engine, slots + 2 * slot * states_ + spread, sites, trap_byte);
    for (const TestSite& site : sites) {
      const std::uint8_t length = idle_site(engine.instruction_set(), form, site.offset).length;
      write_answer(allocation.staging + site.offset + length, 0);
    }
    for (unsigned state = 1; state < states_; ++state) write_answer(allocation.staging + answers[state - 1], state);
    auto code = engine.publish(allocation, new_sites(sites));
    EXPECT_TRUE(code) << (code ? "" : code.error().message());
    code_ = std::move(*code);
    for (const TestSite& site : sites) entries_.push_back(code_.entry<int()>(site.offset));
  }
  // A function at each byte of a line where an instruction can stand.
  static std::vector<std::uint32_t> line_offsets() {
    std::vector<std::uint32_t> offsets;
    for (std::uint32_t i = 0; i < line; i += instruction_alignment) offsets.push_back(i * slot + i);
    return offsets;
  }
  // A site at each of the last 8 bytes of a page.
  static std::vector<std::uint32_t> page_end_offsets() {
    constexpr std::uint32_t page = 4096;
    std::vector<std::uint32_t> offsets;
    for (std::uint32_t i = 1; i <= 8; ++i) offsets.push_back(i * page - i);
    return offsets;
  }

  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] int call(std::size_t i) const { return TornGuard::call(entries_[i]); }
  [[nodiscard]] unsigned states() const { return states_; }

 private:
  static constexpr std::uint32_t slot = 2 * line;  // a function at byte 63 of its first line ends in the second
  unsigned states_;
  Code code_;
  std::vector<int (*)()> entries_;
};

class FlipStress : public testing::Test {
 protected:
  void SetUp() override { make_engine({}); }
  void make_engine(const EngineOptions& options) {
    guard();
    auto engine = Engine::create(options);
    ASSERT_TRUE(engine) << engine.error().message();
    engine_ = std::move(*engine);
  }

  void start_runners(const Functions& functions) {
    for (unsigned i = 0; i < runners; ++i) {
      threads_.emplace_back([this, i, &functions] {
        Counts& counts = counts_[i];
        std::minstd_rand random(stress_seed() + i + 1);
        bool ran_between = false;
        while (!stop_.load(std::memory_order_relaxed) && !counts.wrong()) {
          const std::size_t which = random() % functions.size();
          const std::uint64_t completed = completed_.load(std::memory_order_acquire);
          const int found = functions.call(which);
          counts.add(found, completed, begun_.load(std::memory_order_acquire), functions.states());
          if (!ran_between && counts.between != 0) {
            ran_between = true;
            ran_between_.fetch_add(1, std::memory_order_relaxed);  // a count, nothing follows from it
          }
        }
        if (counts.wrong()) stop_.store(true, std::memory_order_relaxed);
      });
    }
  }

  // Sets the key to state n mod k for n = 1, 2, ... Between two flips the flipping thread calls every function (no flip
  // is lost) and lets the others run for a moment. On a busy emulator that may take longer than SHUNT_STRESS_AT_MOST:
  // it ends when each of them has run between two flips.
  template <class Key>
  void flip(Key& key, const Functions& functions) {
    std::minstd_rand random(stress_seed());
    const StressTime time(tests_in_this_program);
    wanted_flips_ = time.needed(wanted_flips_);
    PatchBatch batch(*engine_);
    const auto wants_more = [&] {
      return time.goes_on(flips_ < wanted_flips_) || ran_between_.load(std::memory_order_relaxed) < runners;
    };
    while (!stop_.load(std::memory_order_relaxed) && wants_more()) {
      ASSERT_FALSE(time.is_longer_than(time_limit)) << "only " << flips_ << " flips";
      const auto state = static_cast<unsigned>(++flips_ % functions.states());
      begun_.store(flips_, std::memory_order_release);
      if constexpr (std::is_same_v<Key, StaticKey>) {
        batch.set(key, state != 0);
      } else {
        batch.set(key, state);
      }
      const auto report = batch.commit();
      ASSERT_TRUE(report) << report.error().message();
      completed_.store(flips_, std::memory_order_release);
      ASSERT_EQ(report->sites_written, functions.size()) << "a flip was lost";
      for (std::size_t i = 0; i < functions.size(); ++i)
        own_.add(functions.call(i), flips_, flips_, functions.states());
      if (own_.wrong()) break;
      for (unsigned pause = random() % 200; pause != 0; --pause)
        own_.add(functions.call(0), flips_, flips_, functions.states());
    }
  }

  // Stops the threads; what all of them counted.
  Counts join() {
    stop_.store(true, std::memory_order_relaxed);
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    Counts all = own_;
    for (const Counts& counts : counts_) all.add(counts);
    return all;
  }
  void TearDown() override { join(); }

  void finish(const char* name) {
    const Counts all = join();
    for (const Counts& counts : counts_) EXPECT_GT(counts.between, 0U) << "a thread never ran between two flips";
    std::printf(
        "%s: seed %u, %lu flips, %lu executions on %u threads, %lu of them between flips, %lu old, %lu torn; %s\n",
        name, stress_seed(), flips_, all.executions, runners, all.between, all.stale, all.torn,
        serialised(*engine_).c_str());
    EXPECT_EQ(all.torn, 0U) << "executed a torn instruction";
    EXPECT_EQ(all.stale, 0U) << "executed the old instruction after the commit";
    if (!HasFailure()) {
      EXPECT_GE(flips_, wanted_flips_);
    }
  }

  // One for the whole program, never ended: handlers of SIGTRAP that are installed later keep it as the one before
  // them.
  static TornGuard& guard() {
    static auto* const made = new TornGuard;
    return *made;
  }

  std::uint64_t wanted_flips_ = 100'000;
  std::unique_ptr<Engine> engine_;
  std::vector<std::thread> threads_;
  Counts counts_[runners];
  Counts own_;
  std::uint64_t flips_ = 0;
  std::atomic<bool> stop_ = false;
  std::atomic<unsigned> ran_between_ = 0;  // how many of the threads did
  // See running_code.h for their order.
  std::atomic<std::uint64_t> begun_ = 0;
  std::atomic<std::uint64_t> completed_ = 0;
};

}  // namespace shunt::test
