// Demotable sites through asmjit: what they run in each state, and that no execution after a commit runs the old path,
// whatever kind of flip it was.
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "engine/patch/engine_parts.h"
#include "engine/serialise/membarrier.h"
#include "shunt/codegen/asmjit.h"
#include "tests/engine/codegen/guest_code.h"
#include "tests/engine/codegen/machine.h"

namespace shunt::test {
namespace {

constexpr std::uint64_t second = 1'000'000'000;
std::uint64_t now_ns = 0;  // written and read under the commit lock, or by one thread

class DemotableSite : public testing::Test {
 protected:
  void SetUp() override {
    auto serialiser = detail::make_membarrier_serialiser();
    ASSERT_TRUE(serialiser) << serialiser.error().message();
    detail::EngineParts parts{detail::make_host_patcher(), std::move(*serialiser)};
    parts.clock = []() noexcept { return now_ns; };
    auto engine = Engine::create({.code_reservation = 1 << 20, .flip_limit = limit}, std::move(parts));
    ASSERT_TRUE(engine);
    engine_ = std::move(*engine);
  }
  void set(DemotableKey& key, bool on) {
    PatchBatch batch(*engine_);
    batch.set(key, on);
    const auto report = batch.commit();
    EXPECT_TRUE(report);
  }
  static constexpr std::uint32_t limit = 4;
  std::unique_ptr<Engine> engine_;
  GuestCode code_;
};

TEST_F(DemotableSite, KeepsEveryRegisterAndTheFlags) {
  now_ns = second;
  DemotableKey key("key");
  MachineCode::pass_site(code_, 0, [&](const asmjit::Label& on) { code_.sites.branch(key, on); });
  const auto f = publish<int(const Machine*, Machine*)>(*engine_, code_.holder, code_.sites);
  ASSERT_TRUE(f) << f.error().message();
  std::mt19937_64 random(20261128);
  const auto passes = [&](bool on) {
    Machine before, after;
    before.fill(random);
    std::memset(&after, 0, sizeof after);
    EXPECT_EQ((*f)(&before, &after), on ? 1 : 0);
    after.expect_kept(before, Flags::Live);
  };
  bool demoted = false;
  for (unsigned flip = 0; flip < 3 * limit; ++flip) {
    const bool wanted = flip % 2 == 0;
    set(key, wanted);
    demoted = demoted || key.demoted();
    passes(wanted);
  }
  EXPECT_TRUE(demoted);
  now_ns += 2 * second;
  ASSERT_TRUE(engine_->promote_calm_keys());
  EXPECT_FALSE(key.demoted());
  passes(false);
}

// Readers sample the number of the last completed flip before they execute the site, and that of the last begun one
// after: if no flip was under way, they must have run the state of that flip. The key goes through all kinds of flip:
// by code, demoting, by data, promoting.
TEST_F(DemotableSite, NoExecutionAfterACommitRunsTheOldPath) {
  now_ns = second;
  DemotableKey key("key");
  const asmjit::Label on = code_.label();
  code_.sites.branch(key, on);
  code_.returns(0);
  code_.bind(on);
  code_.returns(1);
  const auto f = publish<int()>(*engine_, code_.holder, code_.sites);
  ASSERT_TRUE(f) << f.error().message();

  constexpr unsigned flips = 20'000;
  std::atomic<unsigned> begun{0}, completed{0};
  std::atomic<bool> stop{false};
  std::atomic<unsigned> stale{0}, judged{0};
  std::vector<std::jthread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      while (!stop.load(std::memory_order_relaxed)) {
        const unsigned before = completed.load(std::memory_order_acquire);
        const int ran = (*f)();
        const unsigned after = begun.load(std::memory_order_acquire);
        if (before != after) continue;
        judged.fetch_add(1, std::memory_order_relaxed);
        if (ran != static_cast<int>(before % 2)) stale.fetch_add(1, std::memory_order_relaxed);
      }
    });
  }
  for (unsigned flip = 1; flip <= flips; ++flip) {
    if (flip % 16 == 0) now_ns += 3 * second;  // calm: promoted by this flip, demoted again by the sixth
    begun.store(flip, std::memory_order_release);
    set(key, flip % 2 != 0);
    completed.store(flip, std::memory_order_release);
  }
  while (judged.load() == 0) std::this_thread::yield();
  stop.store(true);
  readers.clear();
  EXPECT_EQ(stale.load(), 0U) << "of " << judged.load();
  const EngineStats stats = engine_->stats();
  EXPECT_GT(stats.demotions, flips / 20);
  EXPECT_GT(stats.promotions, flips / 20);
  EXPECT_GT(stats.data_flips, flips / 4);
}

}  // namespace
}  // namespace shunt::test
