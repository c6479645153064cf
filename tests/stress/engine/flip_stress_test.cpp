// 100,000 flips under four running threads: nothing stale after a commit, nothing torn, no flip lost.
#include "tests/stress/engine/flip_stress.h"

namespace shunt::test {
namespace {

// x86-64: the opcode toggle.
TEST_F(FlipStress, OpcodeToggle) {
  StaticKey key("toggled");
  const Functions functions(*engine_, key, toggle, 1 << 20, stress_seed());
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
    const Engine::Allocation allocation = written_code(*engine_, 512, sites, trap_byte);
    write_answer(allocation.staging + offset + idle_site(host_set, SiteForm::AlignedWord, offset).length, 0);
    for (std::uint32_t state = 1; state < states; ++state)
      write_answer(allocation.staging + answers_[state - 1], state);
    return engine_->publish(allocation, new_sites(sites));
  }

  void publish_and_run(unsigned runner) {
    std::minstd_rand random(stress_seed() + runner + 1);
    while (!stop_.load(std::memory_order_relaxed) && !counts_[runner].wrong()) {
      const auto offset = static_cast<std::uint32_t>(random() % (line / instruction_alignment) * instruction_alignment);
      const std::uint64_t completed = completed_.load(std::memory_order_acquire);
      const auto code = publish_function(offset);
      if (!code) break;
      codes_.fetch_add(1, std::memory_order_relaxed);  // a count
      const int found = TornGuard::call(code->entry<int()>(offset));
      counts_[runner].add(found, completed, begun_.load(std::memory_order_acquire), states);
    }
    stop_.store(true, std::memory_order_relaxed);
  }

  [[nodiscard]] bool wants_more() const {
    return codes_.load(std::memory_order_relaxed) < wanted_codes || flips_ < wanted_flips_meanwhile;
  }

  StaticSwitch key_{"switched", states};
  std::vector<std::uint32_t> answers_;
  std::atomic<std::uint64_t> codes_ = 0;
};

TEST_F(NewCodeStress, TakesTheCurrentState) {
  for (unsigned i = 0; i < runners; ++i) threads_.emplace_back([this, i] { publish_and_run(i); });
  const StressTime time(tests_in_this_program);
  PatchBatch batch(*engine_);
  const auto goes_on = [&] {  // also beyond SHUNT_STRESS_AT_MOST, until there was any
    return time.goes_on(wants_more()) || codes_.load(std::memory_order_relaxed) < time.needed(wanted_codes);
  };
  while (!stop_.load(std::memory_order_relaxed) && goes_on() && !time.is_longer_than(time_limit)) {
    begun_.store(++flips_, std::memory_order_release);
    batch.set(key_, static_cast<unsigned>(flips_ % states));
    const auto report = batch.commit();
    EXPECT_TRUE(report) << report.error().message();
    if (!report) break;
    completed_.store(flips_, std::memory_order_release);
  }
  const Counts all = join();
  std::printf("new code: seed %u, %lu flips, %lu pieces of code on %u threads, %lu old, %lu torn; %s\n", stress_seed(),
              flips_, codes_.load(), runners, all.stale, all.torn, serialised(*engine_).c_str());
  EXPECT_EQ(all.torn, 0U) << "executed a torn instruction";
  EXPECT_EQ(all.stale, 0U) << "executed the old instruction in new code";
  if (!HasFailure()) {
    EXPECT_GE(codes_.load(), time.needed(wanted_codes));
    EXPECT_GE(flips_, time.needed(wanted_flips_meanwhile));
  }
}

}  // namespace
}  // namespace shunt::test
