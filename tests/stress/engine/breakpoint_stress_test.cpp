// Flips by breakpoints under four running threads, at every place in a line and across pages: nothing stale after a
// commit, nothing torn. A trap that the handler does not know goes on to TornGuard's handler, and counts as torn.
#include "tests/stress/engine/flip_stress.h"

namespace shunt::test {
namespace {

class BreakpointStress : public FlipStress {
 protected:
  BreakpointStress() { wanted_flips_ = 20'000; }
};

TEST_F(BreakpointStress, UnalignedAtEveryByteOfALine) {
  StaticSwitch key("switched", 16);  // no-op to branch, branch to branch, branch to no-op
  const Functions functions(*engine_, key, SiteForm::Unaligned, 1 << 20, stress_seed());
  start_runners(functions);
  flip(key, functions);
  finish("unaligned");
}

TEST_F(BreakpointStress, UnalignedAcrossPages) {
  StaticSwitch key("switched", 16);
  const Functions functions(*engine_, key, SiteForm::Unaligned, 1 << 20, stress_seed(), Functions::page_end_offsets());
  start_runners(functions);
  flip(key, functions);
  finish("unaligned, across pages");
}

class StrictStress : public BreakpointStress {
 protected:
  void SetUp() override {
    EngineOptions options;
    options.cross_modification = CrossModification::Strict;
    make_engine(options);
  }
};

TEST_F(StrictStress, AlignedWord) {
  StaticSwitch key("switched", 16);
  const Functions functions(*engine_, key, SiteForm::AlignedWord, 1 << 20, stress_seed());
  start_runners(functions);
  flip(key, functions);
  finish("strict, aligned word");
}

// Code whose site is being rewritten is replaced, and ends right after the commit, once every thread has left it; its
// memory is used again at once. A thread that sits in a trap of its site has not left it.
class EndingCodeStress : public BreakpointStress {
 protected:
  static constexpr std::uint64_t wanted_codes = 5'000;
  static constexpr std::uint32_t branch_target = 64;

  [[nodiscard]] Code publish_function(std::uint32_t offset) {
    const std::vector<TestSite> sites = {{&key_, SiteForm::Unaligned, offset, {branch_target + 64}}};
    const Engine::Allocation allocation = written_code(*engine_, 192, sites, 0xCC);
    write_answer(allocation.staging + offset + 5, 0);
    write_answer(allocation.staging + branch_target + 64, 1);
    auto code = engine_->publish(allocation, new_sites(sites));
    EXPECT_TRUE(code) << (code ? "" : code.error().message());
    return code ? std::move(*code) : Code();
  }

  void run(unsigned runner) {
    Counts& counts = counts_[runner];
    while (!stop_.load(std::memory_order_relaxed) && !counts.wrong()) {
      const std::uint64_t completed = completed_.load(std::memory_order_acquire);
      const int found = TornGuard::call(current_.load(std::memory_order_acquire));
      counts.add(found, completed, begun_.load(std::memory_order_acquire), 2);
      const std::uint64_t round =
          rounds_[runner].fetch_add(1, std::memory_order_release);  // it has left what it called
      if (round % 16 == 0) std::this_thread::yield();
    }
    rounds_[runner].store(~std::uint64_t{0} / 2, std::memory_order_release);
    stop_.store(true, std::memory_order_relaxed);
  }

  // Until every runner has begun a call since, and so has left the code that was current before.
  void wait_for_runners() {
    for (unsigned runner = 0; runner < runners; ++runner) {
      const std::uint64_t seen = rounds_[runner].load(std::memory_order_acquire);
      while (seen < ~std::uint64_t{0} / 4 && rounds_[runner].load(std::memory_order_acquire) == seen)
        std::this_thread::yield();
    }
  }

  StaticKey key_{"key"};
  std::atomic<int (*)()> current_ = nullptr;
  std::atomic<std::uint64_t> rounds_[runners] = {};
};

TEST_F(EndingCodeStress, ThreadsInATrapKeepTheirCode) {
  Code code = publish_function(0);
  current_.store(code.entry<int()>(0), std::memory_order_release);
  for (unsigned i = 0; i < runners; ++i) threads_.emplace_back([this, i] { run(i); });
  PatchBatch batch(*engine_);
  std::minstd_rand random(stress_seed());
  const auto begin = Clock::now();
  std::uint64_t codes = 0;
  while (!stop_.load(std::memory_order_relaxed) && codes < wanted_codes) {
    ASSERT_LT(Clock::now() - begin, time_limit) << "only " << codes << " pieces of code";
    const auto offset = static_cast<std::uint32_t>(random() % 50);
    Code next = publish_function(offset);
    if (next.data() == nullptr) break;
    begun_.store(++flips_, std::memory_order_release);
    batch.set(key_, flips_ % 2 != 0);
    current_.store(next.entry<int()>(offset), std::memory_order_release);
    const auto report = batch.commit();
    ASSERT_TRUE(report) << report.error().message();
    ASSERT_EQ(report->sites_written, 2U);
    completed_.store(flips_, std::memory_order_release);
    wait_for_runners();
    code = std::move(next);  // the old one ends here
    ++codes;
  }
  const Counts all = join();
  std::printf("ending code: seed %u, %lu pieces of code, %lu executions on %u threads, %lu old, %lu torn\n",
              stress_seed(), codes, all.executions, runners, all.stale, all.torn);
  EXPECT_EQ(all.torn, 0U) << "executed a torn instruction";
  EXPECT_EQ(all.stale, 0U) << "executed the old instruction after the commit";
  if (!HasFailure()) {
    EXPECT_EQ(codes, wanted_codes);
  }
}

}  // namespace
}  // namespace shunt::test
