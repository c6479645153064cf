// The engine on the host, executing what it patches.
#include "shunt/engine.h"

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/engine/host_code.h"
#include "tests/engine/test_code.h"

namespace shunt::test {
namespace {

using Function = int();

// A site, then a function that returns 10; and for each target one that returns 10 + state.
struct Answer {
  static constexpr std::uint32_t site_room = 12;
  static constexpr std::uint32_t arm = answer_size;

  static std::size_t size(unsigned states) { return site_room + arm * states; }
  static std::vector<std::uint32_t> targets(unsigned states) {
    std::vector<std::uint32_t> all;
    for (unsigned state = 1; state < states; ++state) all.push_back(site_room + arm * state);
    return all;
  }
  static void write(std::uint8_t* rw, unsigned states) {
    write_no_ops(rw, site_room);
    for (unsigned state = 0; state < states; ++state) write_answer(rw + site_room + arm * state, 10 + state);
  }
};

class EngineTest : public testing::Test {
 protected:
  void SetUp() override {
    auto made = Engine::create();
    ASSERT_TRUE(made) << made.error().message();
    engine_ = std::move(*made);
  }
  Engine& engine() { return *engine_; }

  Code answer(KeyBase& key, SiteForm form) {
    const std::vector<TestSite> sites = {{&key, form, 0, Answer::targets(key.states())}};
    const Engine::Allocation allocation = *engine().allocate(Answer::size(key.states()));
    Answer::write(allocation.staging, key.states());
    const SiteBytes idle = idle_site(engine().instruction_set(), form, 0);
    std::memcpy(allocation.staging, idle.bytes.data(), idle.length);
    auto code = engine().publish(allocation, new_sites(sites));
    EXPECT_TRUE(code) << (code ? "" : code.error().message());
    return code ? std::move(*code) : Code();
  }

  std::unique_ptr<Engine> engine_;
};

TEST_F(EngineTest, AFlipIsExecuted) {
  for (SiteForm form : single_store_forms) {
    StaticKey key("key");
    const Code code = answer(key, form);
    auto* const f = code.entry<Function>();
    EXPECT_EQ(f(), 10);
    PatchBatch batch(engine());
    for (int i = 0; i < 100; ++i) {
      batch.set(key, i % 2 == 0);
      const auto report = batch.commit();
      ASSERT_TRUE(report) << report.error().message();
      EXPECT_EQ(report->mechanism, "membarrier");
      EXPECT_EQ(report->serialisations, 1U);
      ASSERT_EQ(f(), i % 2 == 0 ? 11 : 10);
    }
  }
}

TEST_F(EngineTest, ASwitchOfManyStatesIsExecuted) {
  StaticSwitch choice("choice", 256);
  const Code code = answer(choice, SiteForm::AlignedWord);
  PatchBatch batch(engine());
  for (unsigned i = 0; i < 600; ++i) {
    const unsigned state = i * 97 % 256;
    batch.set(choice, state);
    ASSERT_TRUE(batch.commit());
    ASSERT_EQ(code.entry<Function>()(), static_cast<int>(10 + state));
  }
  batch.set(choice, 256);
  const auto beyond = batch.commit();
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().code(), ErrorCode::InvalidArgument);
}

TEST_F(EngineTest, NewCodeTakesTheKeysState) {
  StaticKey key("key");
  PatchBatch batch(engine());
  batch.enable(key);
  ASSERT_TRUE(batch.commit());
  EXPECT_EQ(answer(key, toggle).entry<Function>()(), 11);
  EXPECT_EQ(answer(key, SiteForm::AlignedWord).entry<Function>()(), 11);
}

TEST_F(EngineTest, AStubReachedByRetargetNeedsNoSerialisationOfItsOwn) {
  StaticSwitch choice("choice", 3);
  const Code code = answer(choice, SiteForm::AlignedWord);
  const Engine::Allocation allocation = *engine().allocate(answer_size);
  write_answer(allocation.staging, 77);
  const auto stub = engine().publish_nosync(allocation, {});
  ASSERT_TRUE(stub);
  PatchBatch batch(engine());
  batch.retarget(choice, code.data(), 2, stub->data());
  batch.set(choice, 2);
  ASSERT_TRUE(batch.commit());
  EXPECT_EQ(code.entry<Function>()(), 77);
}

TEST_F(EngineTest, CodeIsAHandleThatMoves) {
  StaticKey key("key");
  Code first = answer(key, toggle);
  const std::uint8_t* const at = first.data();
  Code second(std::move(first));
  EXPECT_EQ(second.data(), at);
  EXPECT_EQ(first.data(), nullptr);
  Code third = answer(key, toggle);
  const std::uint8_t* const ended = third.data();
  third = std::move(second);
  EXPECT_EQ(third.data(), at);
  EXPECT_EQ(third.entry<Function>()(), 10);
  EXPECT_TRUE(traps(ended));
}

TEST_F(EngineTest, MemoryOfEndedCodeIsReused) {
  StaticKey key("key");
  const std::uint8_t* first = nullptr;
  for (int i = 0; i < 1000; ++i) {
    const Code code = answer(key, i % 2 == 0 ? toggle : SiteForm::AlignedWord);
    if (first == nullptr) first = code.data();
    ASSERT_EQ(code.data(), first);
    PatchBatch batch(engine());
    batch.set(key, i % 3 == 0);
    ASSERT_TRUE(batch.commit());
    ASSERT_EQ(code.entry<Function>()(), i % 3 == 0 ? 11 : 10);
  }
}

TEST_F(EngineTest, AKeyBelongsToOneEngine) {
  auto other = Engine::create();
  ASSERT_TRUE(other);
  StaticKey key("key");
  const Code code = answer(key, toggle);
  PatchBatch batch(**other);
  batch.enable(key);
  const auto report = batch.commit();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code(), ErrorCode::KeyBelongsToOtherEngine);
  EXPECT_NE(report.error().message().find("\"key\""), std::string::npos);
  EXPECT_FALSE(key.enabled());
}

TEST_F(EngineTest, AKeyOutlivesItsEngineAndMayServeAnother) {
  StaticKey key("key");
  {
    auto short_lived = Engine::create();
    ASSERT_TRUE(short_lived);
    PatchBatch batch(**short_lived);
    batch.enable(key);
    ASSERT_TRUE(batch.commit());
  }
  EXPECT_TRUE(key.enabled());
  EXPECT_EQ(answer(key, toggle).entry<Function>()(), 11);
}

TEST_F(EngineTest, RefusesImpossibleReservations) {
  for (std::size_t size : {std::size_t{1}, std::size_t{4096}, (std::size_t{1} << 31) + 1}) {
    EngineOptions options;
    options.code_reservation = size;
    const auto engine = Engine::create(options);
    ASSERT_FALSE(engine);
    EXPECT_EQ(engine.error().code(), ErrorCode::InvalidArgument);
  }
  EngineOptions largest;
  largest.code_reservation = std::size_t{1} << 31;
  EXPECT_TRUE(Engine::create(largest));
}

TEST_F(EngineTest, RefusesEmptyAllocations) {
  EXPECT_FALSE(engine().allocate(0));
}

TEST(ProcessEngine, IsOneForAll) {
  const auto first = Engine::process();
  const auto second = Engine::process();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(*first, *second);
}

StaticKey static_storage("in static storage");  // ends after main(), when the process's engine still exists

TEST(ProcessEngine, ServesKeysInStaticStorage) {
  const auto engine = Engine::process();
  ASSERT_TRUE(engine);
  PatchBatch batch(**engine);
  batch.enable(static_storage);
  EXPECT_TRUE(batch.commit());
  EXPECT_TRUE(static_storage.enabled());
}

// Publishers, committers, readers of the table and enders of code, all at once: nothing but this test's own assertions
// and a thread sanitizer watch here; tests/stress watches execution.
TEST_F(EngineTest, IsThreadSafe) {
  constexpr int threads = 4;
  constexpr int rounds = 200;
  StaticKey shared("shared");
  StaticKey own[threads] = {StaticKey("0"), StaticKey("1"), StaticKey("2"), StaticKey("3")};
  std::atomic<int> wrong = 0;
  std::vector<std::thread> all;
  for (int t = 0; t < threads; ++t) {
    all.emplace_back([&, t] {
      for (int i = 0; i < rounds; ++i) {
        const Code mine = answer(own[t], i % 2 == 0 ? toggle : SiteForm::AlignedWord);
        const Code common = answer(shared, SiteForm::AlignedWord);
        PatchBatch batch(engine());
        batch.set(own[t], i % 2 == 0);
        batch.set(shared, (i + t) % 2 == 0);
        if (!batch.commit()) ++wrong;
        if (mine.entry<Function>()() != (i % 2 == 0 ? 11 : 10)) ++wrong;
        const int answered = common.entry<Function>()();
        if (answered != 10 && answered != 11) ++wrong;
        if (engine().sites(mine).size() != 1) ++wrong;
      }
    });
  }
  for (std::thread& thread : all) thread.join();
  EXPECT_EQ(wrong.load(), 0);
}

// Several threads want the same flip at the same moment: one of them makes it, and none of the others returns before it
// is complete.
TEST_F(EngineTest, ACommitThatFindsNothingToDoWaitsForTheFlipThatIsUnderWay) {
  constexpr int threads = 3;
  constexpr int rounds = 600;
  StaticKey key("key");
  std::vector<Code> codes;
  for (int i = 0; i < 64; ++i) codes.push_back(answer(key, i % 2 == 0 ? toggle : SiteForm::AlignedWord));
  std::barrier round_begins(threads);
  std::atomic<int> wrong = 0;
  std::atomic<int> flips = 0;
  std::vector<std::thread> all;
  for (int t = 0; t < threads; ++t) {
    all.emplace_back([&] {
      PatchBatch batch(engine());
      for (int round = 1; round <= rounds; ++round) {
        round_begins.arrive_and_wait();
        batch.set(key, round % 2 == 1);
        const auto report = batch.commit();
        if (!report) {
          ++wrong;
          continue;
        }
        if (codes.back().entry<Function>()() != (round % 2 == 1 ? 11 : 10)) ++wrong;
        if (report->sites_written != 0) ++flips;
        round_begins.arrive_and_wait();
      }
    });
  }
  for (std::thread& thread : all) thread.join();
  EXPECT_EQ(wrong.load(), 0);
  EXPECT_EQ(flips.load(), rounds) << "each flip is made once";
}

TEST(Errors, HaveNames) {
  EXPECT_EQ(name_of(ErrorCode::ExpectedBytesMismatch), "ExpectedBytesMismatch");
  EXPECT_EQ(name_of(ErrorCode::SystemCall), "SystemCall");
  EXPECT_EQ(name_of(static_cast<ErrorCode>(255)), "(unknown error code)");
}

}  // namespace
}  // namespace shunt::test
