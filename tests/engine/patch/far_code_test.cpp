// Code that is executed although it lies farther away than an arm64 branch reaches. Only an arm64 host has veneers for
// it; on x86-64 everything is in reach.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "shunt/static_call.h"
#include "tests/engine/host_code.h"
#include "tests/engine/placed_code.h"
#include "tests/engine/test_code.h"

namespace shunt::test {
namespace {

int times_two(int x) {
  return 2 * x;
}

class FarCode : public testing::Test {
 protected:
  static constexpr bool has_veneers = host_set == InstructionSet::Arm64;
  static constexpr std::uint32_t near_by = 0, far_away = 170 * MiB;
  static constexpr std::uint32_t entries = 16, entry_size = 16;

  void SetUp() override {
    auto made = Engine::create(large_reservation);
    ASSERT_TRUE(made) << made.error().message();
    engine_ = std::move(*made);
  }
  Engine& engine() { return *engine_; }
  // Each piece of code behind the last one at that place.
  Engine::Allocation allocated(std::uint32_t place, std::size_t size) {
    std::uint32_t& next = place == near_by ? next_near_ : next_far_;
    const Engine::Allocation allocation = allocated_at(engine(), place + next, size);
    next += 512;
    return allocation;
  }

  // Functions that return first, first + 1, ..., each `entry_size` bytes behind the one before.
  Code answers(std::uint32_t place, std::uint32_t first) {
    const Engine::Allocation allocation = allocated(place, std::size_t{entries} * entry_size);
    for (std::uint32_t i = 0; i < entries; ++i) write_answer(allocation.staging + i * entry_size, first + i);
    return std::move(*engine().publish(allocation, {}));
  }
  // Returns 1 or 2, as the key is off or on.
  Code redirect(std::uint32_t place, StaticKey& key) {
    const std::vector<TestSite> sites = {{&key, SiteForm::Redirect, 0, {16, 32}}};
    const Engine::Allocation allocation = allocated(place, 64);
    write_code(engine(), allocation, sites, trap_byte);
    write_answer(allocation.staging + 16, 1);
    write_answer(allocation.staging + 32, 2);
    return std::move(*engine().publish(allocation, new_sites(sites)));
  }
  Code caller(std::uint32_t place, detail::CallBase& call) {
    const std::vector<TestSite> sites = {{&call, SiteForm::Call, sizeof enter_frame, {}}};
    const Engine::Allocation allocation = allocated(place, 64);
    write_code(engine(), allocation, sites);
    std::memcpy(allocation.staging, enter_frame, sizeof enter_frame);
    const SiteBytes idle = idle_site(host_set, SiteForm::Call, sizeof enter_frame);
    std::memcpy(allocation.staging + sizeof enter_frame + idle.length, leave_frame, sizeof leave_frame);
    return std::move(*engine().publish(allocation, new_sites(sites)));
  }
  Code adder(std::uint32_t place, std::uint8_t value) {
    const Engine::Allocation allocation = allocated(place, adder_size);
    write_adder(allocation.staging, value);
    return std::move(*engine().publish(allocation, {}));
  }
  void expect_veneer(const Code& code, unsigned target) {
    const SiteInfo site = engine().sites(code).at(0);
    EXPECT_EQ(site.branches[target] != site.targets[target], has_veneers);
    EXPECT_EQ(engine().instruction_now(site), engine().instruction(site, site.state));
  }
  static int run(const Code& code) { return code.entry<int()>()(); }

  std::unique_ptr<Engine> engine_;
  std::uint32_t next_near_ = 1024, next_far_ = 0;
};

TEST_F(FarCode, ASiteFlipsBetweenNearAndFarTargets) {
  for (const bool site_is_far : {false, true}) {
    StaticKey key("key");
    const Code code = redirect(site_is_far ? far_away : near_by, key);
    const Code target = answers(site_is_far ? near_by : far_away, 100);
    PatchBatch batch(engine());
    ASSERT_EQ(run(code), 1);
    batch.retarget(key, code.data(), 0, target.data());
    committed(batch);
    expect_veneer(code, 0);
    EXPECT_EQ(run(code), 100);
    batch.retarget(key, code.data(), 1, target.data() + 3 * entry_size);
    committed(batch);
    for (int round = 0; round < 4; ++round) {
      batch.enable(key);
      committed(batch);
      expect_veneer(code, 1);
      EXPECT_EQ(run(code), 103);
      batch.disable(key);
      committed(batch);
      EXPECT_EQ(run(code), 100);
    }
    EXPECT_EQ(veneers(engine()), has_veneers ? 2U : 0U);
    batch.retarget(key, code.data(), 0, code.data() + 16);
    committed(batch);
    EXPECT_EQ(run(code), 1);
  }
  EXPECT_EQ(veneers(engine()), 0U);
}

TEST_F(FarCode, AStaticCallReachesFunctionsWherever) {
  StaticCall<int(int)> call("call", &times_two);
  const Code near_caller = caller(near_by, call), far_caller = caller(far_away, call);
  const Code near_function = adder(near_by, 1), far_function = adder(far_away, 100);
  const auto all_give = [&](int value) {
    EXPECT_EQ(near_caller.entry<int(int)>()(21), value);
    EXPECT_EQ(far_caller.entry<int(int)>()(21), value);
    EXPECT_EQ(call(21), value);
  };
  PatchBatch batch(engine());
  for (int round = 0; round < 3; ++round) {
    all_give(42);
    batch.set(call, far_function.entry<int(int)>());
    committed(batch);
    expect_veneer(near_caller, 0);
    all_give(121);
    batch.set(call, near_function.entry<int(int)>());
    committed(batch);
    expect_veneer(far_caller, 0);
    all_give(22);
    batch.set(call, &times_two);
    committed(batch);
    expect_veneer(far_caller, 0);
  }
  EXPECT_EQ(veneers(engine()), has_veneers ? 3U : 0U) << "to each function, one for those that are far from it";
}

TEST_F(FarCode, AVeneerWhereAnotherOneWas) {
  StaticKey key("key");
  const Code code = redirect(far_away, key);
  const std::uint8_t* place = nullptr;
  for (std::uint32_t i = 0; i < 2 * entries; ++i) {
    const Code target = answers(near_by, 100 * i);
    next_near_ = 1024;
    PatchBatch batch(engine());
    batch.retarget(key, code.data(), 0, target.data() + i % entries * entry_size);
    committed(batch);
    const std::uint8_t* const veneer = engine().sites(code)[0].branches[0];
    if (place == nullptr) place = veneer;
    ASSERT_TRUE(!has_veneers || veneer == place);
    ASSERT_EQ(run(code), static_cast<int>(100 * i + i % entries)) << "executed an old veneer";
    batch.retarget(key, code.data(), 0, code.data() + 16);
    committed(batch);
  }
  EXPECT_EQ(veneers(engine()), 0U);
}

TEST_F(FarCode, ThreadsExecuteItWhileItIsRetargeted) {
  StaticKey key("key");
  StaticCall<int(int)> call("call", &times_two);
  const Code code = redirect(near_by, key), calls = caller(near_by, call);
  const Code target = answers(far_away, 100), function = adder(far_away, 100);
  std::atomic<bool> stop = false;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      while (!stop.load(std::memory_order_relaxed)) {
        const int answer = run(code), called = calls.entry<int(int)>()(21);
        if ((answer != 1 && answer != 100) || (called != 42 && called != 121)) ++wrong;
      }
    });
  }
  for (int i = 0; i < 200; ++i) {
    const bool far_now = i % 2 == 0;
    PatchBatch batch(engine());
    batch.retarget(key, code.data(), 0, far_now ? target.data() : code.data() + 16);
    batch.set(call, far_now ? function.entry<int(int)>() : &times_two);
    committed(batch);
    if (run(code) != (far_now ? 100 : 1) || calls.entry<int(int)>()(21) != (far_now ? 121 : 42)) ++wrong;
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0);
}

}  // namespace
}  // namespace shunt::test
