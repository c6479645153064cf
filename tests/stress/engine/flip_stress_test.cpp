// 100,000 flips under four running threads: nothing stale after a commit, nothing torn, no flip lost.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "tests/engine/test_code.h"
#include "tests/stress/engine/running_code.h"

namespace shunt::test {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t wanted_flips = 100'000;
constexpr unsigned runners = 4;
constexpr std::uint32_t line = 64;
constexpr auto time_limit = std::chrono::seconds(100);  // of one test, however slow the machine
constexpr int tests_in_this_program = 3;                // they share SHUNT_STRESS_SECONDS

// One function for each place of a site in a cache line; function i begins at a line's byte i. Between the functions,
// traps.
class Functions {
 public:
  // `spread`: the bytes over which the answers are scattered, so that displacements differ in many bytes.
  Functions(Engine& engine, KeyBase& key, SiteForm form, std::uint32_t spread, unsigned seed) : states_(key.states()) {
    std::mt19937 random(seed);
    const std::uint32_t slots = line * slot;
    std::vector<std::uint32_t> answers;
    for (unsigned state = 1; state < states_; ++state) answers.push_back(slots + 2 * slot * state + random() % spread);
    std::vector<TestSite> sites;
    for (std::uint32_t i = 0; i < line; ++i) sites.push_back({&key, form, i * slot + i, answers});
    const Engine::Allocation allocation = written_code(engine, slots + 2 * slot * states_ + spread, sites, 0xCC);
    for (std::uint32_t i = 0; i < line; ++i) {
      const std::uint8_t length = idle_site(engine.instruction_set(), form, sites[i].offset).length;
      write_answer(allocation.staging + sites[i].offset + length, 0);
    }
    for (unsigned state = 1; state < states_; ++state) write_answer(allocation.staging + answers[state - 1], state);
    auto code = engine.publish(allocation, new_sites(sites));
    EXPECT_TRUE(code) << (code ? "" : code.error().message());
    code_ = std::move(*code);
    for (const TestSite& site : sites) entries_.push_back(code_.entry<int()>(site.offset));
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
  void SetUp() override {
    auto engine = Engine::create();
    ASSERT_TRUE(engine) << engine.error().message();
    engine_ = std::move(*engine);
    ASSERT_EQ(engine_->instruction_set(), InstructionSet::X86_64) << "this test's code is x86-64";
  }

  void start_runners(const Functions& functions) {
    for (unsigned i = 0; i < runners; ++i) {
      threads_.emplace_back([this, i, &functions] {
        Counts& counts = counts_[i];
        std::minstd_rand random(stress_seed() + i + 1);
        while (!stop_.load(std::memory_order_relaxed) && !counts.wrong()) {
          const std::size_t which = random() % functions.size();
          const std::uint64_t completed = completed_.load(std::memory_order_acquire);
          const int found = functions.call(which);
          counts.add(found, completed, begun_.load(std::memory_order_acquire), functions.states());
        }
        if (counts.wrong()) stop_.store(true, std::memory_order_relaxed);
      });
    }
  }

  // Sets the key to state n mod k for n = 1, 2, ... Between two flips the flipping thread calls every function (no flip
  // is lost) and lets the others run for a moment.
  template <class Key>
  void flip(Key& key, const Functions& functions) {
    std::minstd_rand random(stress_seed());
    const auto begin = Clock::now();
    const auto least = begin + least_time();
    PatchBatch batch(*engine_);
    while (!stop_.load(std::memory_order_relaxed) && (flips_ < wanted_flips || Clock::now() < least)) {
      ASSERT_LT(Clock::now() - begin, time_limit) << "only " << flips_ << " flips";
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

  // This test's part of the time that the program shall run at least.
  static Clock::duration least_time() {
    return std::chrono::duration_cast<Clock::duration>(
        std::chrono::duration<double>(stress_seconds() / tests_in_this_program));
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
        "%s: seed %u, %lu flips of 64 sites, %lu executions on %u threads, %lu of them between flips, %lu old, %lu "
        "torn\n",
        name, stress_seed(), flips_, all.executions, runners, all.between, all.stale, all.torn);
    EXPECT_EQ(all.torn, 0U) << "executed a torn instruction";
    EXPECT_EQ(all.stale, 0U) << "executed the old instruction after the commit";
    if (!HasFailure()) {
      EXPECT_GE(flips_, wanted_flips);
    }
  }

  TornGuard guard_;
  std::unique_ptr<Engine> engine_;
  std::vector<std::thread> threads_;
  Counts counts_[runners];
  Counts own_;
  std::uint64_t flips_ = 0;
  std::atomic<bool> stop_ = false;
  // See running_code.h for their order.
  std::atomic<std::uint64_t> begun_ = 0;
  std::atomic<std::uint64_t> completed_ = 0;
};

TEST_F(FlipStress, OpcodeToggle) {
  StaticKey key("toggled");
  const Functions functions(*engine_, key, SiteForm::Toggle, 1 << 20, stress_seed());
  start_runners(functions);
  flip(key, functions);
  finish("opcode toggle");
}

TEST_F(FlipStress, AlignedWord) {
  StaticSwitch key("switched", 16);  // no-op to branch, branch to branch, branch to no-op
  const Functions functions(*engine_, key, SiteForm::AlignedWord, 1 << 20, stress_seed());
  start_runners(functions);
  flip(key, functions);
  finish("aligned word");
}

// Code that is published while its key flips begins in the key's current state, and ends while the key goes on.
class NewCodeStress : public FlipStress {
 protected:
  static constexpr std::uint64_t wanted_codes = 20'000;
  static constexpr std::uint64_t wanted_flips_meanwhile = 2'000;
  static constexpr unsigned states = 16;

  NewCodeStress() {
    for (std::uint32_t state = 1; state < states; ++state) answers_.push_back(128 + 16 * state);
  }

  // Publishes a function with one site, anywhere in a line.
  Result<Code> publish_function(std::uint32_t offset) {
    const std::vector<TestSite> sites = {{&key_, SiteForm::AlignedWord, offset, answers_}};
    const Engine::Allocation allocation = written_code(*engine_, 512, sites, 0xCC);
    write_answer(allocation.staging + offset + idle_site(InstructionSet::X86_64, SiteForm::AlignedWord, offset).length,
                 0);
    for (std::uint32_t state = 1; state < states; ++state)
      write_answer(allocation.staging + answers_[state - 1], state);
    return engine_->publish(allocation, new_sites(sites));
  }

  void publish_and_run(unsigned runner) {
    std::minstd_rand random(stress_seed() + runner + 1);
    while (!stop_.load(std::memory_order_relaxed) && !counts_[runner].wrong()) {
      const auto offset = static_cast<std::uint32_t>(random() % line);
      const std::uint64_t completed = completed_.load(std::memory_order_acquire);
      const auto code = publish_function(offset);
      if (!code) break;
      codes_.fetch_add(1, std::memory_order_relaxed);  // a count
      const int found = TornGuard::call(code->entry<int()>(offset));
      counts_[runner].add(found, completed, begun_.load(std::memory_order_acquire), states);
    }
    stop_.store(true, std::memory_order_relaxed);
  }

  [[nodiscard]] bool enough(Clock::time_point least) const {
    return codes_.load(std::memory_order_relaxed) >= wanted_codes && flips_ >= wanted_flips_meanwhile &&
           Clock::now() >= least;
  }

  StaticSwitch key_{"switched", states};
  std::vector<std::uint32_t> answers_;
  std::atomic<std::uint64_t> codes_ = 0;
};

TEST_F(NewCodeStress, TakesTheCurrentState) {
  for (unsigned i = 0; i < runners; ++i) threads_.emplace_back([this, i] { publish_and_run(i); });
  const auto begin = Clock::now();
  const auto least = begin + least_time();
  PatchBatch batch(*engine_);
  while (!stop_.load(std::memory_order_relaxed) && !enough(least) && Clock::now() - begin < time_limit) {
    begun_.store(++flips_, std::memory_order_release);
    batch.set(key_, static_cast<unsigned>(flips_ % states));
    const auto report = batch.commit();
    EXPECT_TRUE(report) << report.error().message();
    if (!report) break;
    completed_.store(flips_, std::memory_order_release);
  }
  const Counts all = join();
  std::printf("new code: seed %u, %lu flips, %lu pieces of code on %u threads, %lu old, %lu torn\n", stress_seed(),
              flips_, codes_.load(), runners, all.stale, all.torn);
  EXPECT_EQ(all.torn, 0U) << "executed a torn instruction";
  EXPECT_EQ(all.stale, 0U) << "executed the old instruction in new code";
  if (!HasFailure()) {
    EXPECT_GE(codes_.load(), wanted_codes);
    EXPECT_GE(flips_, wanted_flips_meanwhile);
  }
}

}  // namespace
}  // namespace shunt::test
