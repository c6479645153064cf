// Counted keys: what acquire() and release() write, what they refuse, and that the count follows the bytes.
#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "shunt/engine.h"
#include "tests/engine/host_code.h"
#include "tests/engine/recording.h"
#include "tests/engine/test_code.h"

namespace shunt::test {
namespace {

// A key that somebody holds so many times already.
class HeldKey : public StaticKey {
 public:
  HeldKey(const char* name, std::uint32_t references) : StaticKey(name, Begins::On, references) {}
};

class CountedKey : public testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(engine_.engine, nullptr); }
  Engine& engine() { return *engine_.engine; }
  Recording& recording() { return *engine_.recording; }
  Steps steps() { return std::exchange(recording().steps, {}); }
  static ErrorCode error(const Status& status) {
    EXPECT_FALSE(status) << "an error is expected";
    return status ? ErrorCode::InvalidArgument : status.error().code();
  }
  static ErrorCode error(const Result<CommitReport>& report) {
    EXPECT_FALSE(report) << "an error is expected";
    return report ? ErrorCode::InvalidArgument : report.error().code();
  }

  const Steps flip_ = {"check rx+0x0", "store1 rw+0x0", "serialise"};
  RecordingEngine engine_ = RecordingEngine::x86_64();
  StaticKey key_{"counted"};
};

TEST_F(CountedKey, TheFirstReferenceEnablesAndTheLastDisables) {
  const Code code = published(engine(), 64, {{&key_, SiteForm::Toggle, 0, {32}}});
  steps();
  ASSERT_TRUE(key_.acquire(engine()));
  EXPECT_EQ(steps(), flip_);
  EXPECT_TRUE(key_.enabled());
  ASSERT_TRUE(key_.acquire(engine()));
  ASSERT_TRUE(key_.acquire(engine()));
  ASSERT_TRUE(key_.release(engine()));
  ASSERT_TRUE(key_.release(engine()));
  EXPECT_EQ(key_.references(), 1U);
  EXPECT_EQ(steps(), Steps{}) << "a count and nothing else";
  EXPECT_TRUE(key_.enabled());
  ASSERT_TRUE(key_.release(engine()));
  EXPECT_EQ(steps(), flip_);
  EXPECT_FALSE(key_.enabled());
  EXPECT_EQ(key_.references(), 0U);
}

TEST_F(CountedKey, NeverBelowZeroNeverBeyondTheMaximum) {
  const Status below = key_.release(engine());
  EXPECT_EQ(error(below), ErrorCode::KeyNotHeld);
  EXPECT_NE(below ? std::string::npos : below.error().message().find("\"counted\""), std::string::npos);
  EXPECT_EQ(key_.references(), 0U);

  constexpr std::uint32_t maximum = detail::ReferenceCount::maximum;
  HeldKey full("full", maximum - 1);
  ASSERT_TRUE(full.acquire(engine()));
  EXPECT_EQ(full.references(), maximum);
  EXPECT_EQ(error(full.acquire(engine())), ErrorCode::KeyCountExhausted);
  EXPECT_EQ(full.references(), maximum);
  PatchBatch batch(engine());
  batch.acquire(full);
  EXPECT_EQ(error(batch.commit()), ErrorCode::KeyCountExhausted);
  ASSERT_TRUE(full.release(engine()));
  EXPECT_EQ(full.references(), maximum - 1);
  EXPECT_TRUE(full.enabled());

  batch.acquire(key_);
  batch.release(key_);
  batch.release(key_);
  EXPECT_EQ(error(batch.commit()), ErrorCode::KeyNotHeld);
  EXPECT_EQ(key_.references(), 0U);
  ASSERT_TRUE(key_.acquire(engine())) << "the refused batch left nothing behind";
  EXPECT_EQ(key_.references(), 1U);
}

TEST_F(CountedKey, AFailedCommitLeavesTheCountAsItWas) {
  const Code code = published(engine(), 64, {{&key_, SiteForm::Toggle, 0, {32}}});
  std::uint8_t* const site = detail::code_views(engine()).rw;
  *site ^= 0xFF;
  EXPECT_EQ(error(key_.acquire(engine())), ErrorCode::ExpectedBytesMismatch);
  EXPECT_EQ(key_.references(), 0U);
  *site ^= 0xFF;
  ASSERT_TRUE(key_.acquire(engine()));
  *site ^= 0xFF;
  EXPECT_EQ(error(key_.release(engine())), ErrorCode::ExpectedBytesMismatch);
  EXPECT_EQ(key_.references(), 1U);
  *site ^= 0xFF;
  steps();
  ASSERT_TRUE(key_.acquire(engine()));
  EXPECT_EQ(steps(), Steps{}) << "the count is open again";
  ASSERT_TRUE(key_.release(engine()));
  ASSERT_TRUE(key_.release(engine()));
}

TEST_F(CountedKey, AfterAFailedSerialisationTheNextReferenceMakesOne) {
  const Code code = published(engine(), 64, {{&key_, SiteForm::Toggle, 0, {32}}});
  steps();
  recording().failing_serialisations = 1;
  EXPECT_EQ(error(key_.acquire(engine())), ErrorCode::SerialisationFailed);
  EXPECT_EQ(key_.references(), 0U);
  EXPECT_EQ(steps(), flip_);
  ASSERT_TRUE(key_.acquire(engine()));
  EXPECT_EQ(steps(), Steps{"serialise"}) << "it is written already";
  EXPECT_EQ(key_.references(), 1U);
  EXPECT_TRUE(key_.enabled());

  // The last release is written, but not complete: the key is in transition, whatever its count says.
  recording().failing_serialisations = 1;
  EXPECT_EQ(error(key_.release(engine())), ErrorCode::SerialisationFailed);
  EXPECT_EQ(key_.references(), 1U);
  ASSERT_TRUE(engine().resynchronise());
  steps();
  ASSERT_TRUE(key_.acquire(engine()));
  EXPECT_EQ(steps(), flip_) << "who acquires now must not find the key off";
  EXPECT_EQ(key_.references(), 2U);
  EXPECT_TRUE(key_.enabled());
}

TEST_F(CountedKey, IsNotSetWhileItIsHeld) {
  PatchBatch batch(engine());
  ASSERT_TRUE(key_.acquire(engine()));
  for (bool on : {false, true}) {
    batch.set(key_, on);
    const auto report = batch.commit();
    EXPECT_EQ(error(report), ErrorCode::KeyHeld);
    EXPECT_TRUE(key_.enabled());
  }
  ASSERT_TRUE(key_.release(engine()));
  batch.enable(key_);
  EXPECT_TRUE(batch.commit()) << "nobody holds it any more";
  ASSERT_TRUE(key_.acquire(engine())) << "takes over a key that was set";
  ASSERT_TRUE(key_.release(engine()));
  EXPECT_FALSE(key_.enabled());

  batch.acquire(key_);
  batch.disable(key_);
  EXPECT_EQ(error(batch.commit()), ErrorCode::KeyHeld) << "also by the same batch";
  EXPECT_EQ(key_.references(), 0U);
}

TEST_F(CountedKey, InABatchEachCallCountsAndAllFlipTogether) {
  StaticKey other("other");
  const Code code = published(engine(), 64, {{&key_, SiteForm::Toggle, 0, {32}}, {&other, SiteForm::Toggle, 8, {32}}});
  steps();
  PatchBatch batch(engine());
  batch.acquire(key_);
  batch.acquire(key_);
  batch.acquire(other);
  batch.release(other);
  batch.acquire(other);
  committed(batch);
  EXPECT_EQ(key_.references(), 2U);
  EXPECT_EQ(other.references(), 1U);
  EXPECT_EQ(steps(), (Steps{"check rx+0x0", "check rx+0x8", "store1 rw+0x0", "store1 rw+0x8", "serialise"}));
  batch.release(key_);
  batch.release(key_);
  batch.acquire(key_);
  EXPECT_EQ(committed(batch).sites_written, 0U) << "on before, on after";
  EXPECT_EQ(key_.references(), 1U);
  batch.release(key_);
  batch.release(other);
  EXPECT_EQ(committed(batch).sites_written, 2U);
  EXPECT_EQ(key_.references() + other.references(), 0U);
}

TEST_F(CountedKey, BelongsToOneEngine) {
  RecordingEngine second = RecordingEngine::x86_64();
  ASSERT_TRUE(key_.acquire(engine()));
  EXPECT_EQ(error(key_.acquire(*second.engine)), ErrorCode::KeyBelongsToOtherEngine);
  EXPECT_EQ(error(key_.release(*second.engine)), ErrorCode::KeyBelongsToOtherEngine);
  EXPECT_EQ(key_.references(), 1U);
}

// Calls a function, once, instead of serialising.
class OnceWatchedSerialiser final : public detail::CoreSerialiser {
 public:
  explicit OnceWatchedSerialiser(std::function<void()>& watch) : watch_(watch) {}
  [[nodiscard]] std::string_view name() const noexcept override { return "watched"; }
  Status serialise() override {
    if (const auto watch = std::exchange(watch_, nullptr)) watch();
    return Ok{};
  }

 private:
  std::function<void()>& watch_;
};

TEST_F(CountedKey, TheFirstReferenceCountsWhenItsFlipIsComplete) {
  std::function<void()> watch;
  detail::EngineParts parts;
  parts.patcher = detail::make_host_patcher();
  parts.serialiser = std::make_unique<OnceWatchedSerialiser>(watch);
  auto watched = Engine::create({}, std::move(parts));
  ASSERT_TRUE(watched);
  StaticKey key("watched");
  const Code code = published(**watched, 64, {{&key, SiteForm::AlignedWord, 0, {32}}});

  // While the flip is written but not serialised, a second reference must not be counted: it waits for the commit lock.
  std::thread second;
  std::atomic<bool> complete = false;
  std::atomic<bool> early = false;
  watch = [&] {
    EXPECT_EQ(key.references(), 0U);
    EXPECT_FALSE(key.enabled());
    second = std::thread([&] {
      if (!key.acquire(**watched) || !complete.load(std::memory_order_acquire)) early = true;
    });
    complete.store(true, std::memory_order_release);  // the last moment before the serialisation is over
  };
  ASSERT_TRUE(key.acquire(**watched));
  ASSERT_TRUE(second.joinable());
  second.join();
  EXPECT_FALSE(early.load());
  EXPECT_EQ(key.references(), 2U);
  EXPECT_TRUE(key.enabled());
}

// Whoever holds a reference finds the key on, at its sites: on the host, with real serialisation.
TEST_F(CountedKey, IsOnForEveryHolderAmongThreads) {
  constexpr int threads = 4;
  constexpr int rounds = 1000;
  auto host = Engine::create();
  ASSERT_TRUE(host);
  StaticKey key("shared");
  const std::vector<TestSite> sites = {{&key, SiteForm::AlignedWord, 0, {16}}};
  const Engine::Allocation allocation = written_code(**host, 32, sites, trap_byte);
  write_answer(allocation.staging + idle_site(host_set, SiteForm::AlignedWord, 0).length, 0);
  write_answer(allocation.staging + 16, 1);
  const auto code = (*host)->publish(allocation, new_sites(sites));
  ASSERT_TRUE(code);
  std::barrier begin(threads);
  std::atomic<int> wrong = 0;
  std::vector<std::thread> all;
  for (int t = 0; t < threads; ++t) {
    all.emplace_back([&] {
      begin.arrive_and_wait();
      for (int i = 0; i < rounds; ++i) {
        if (!key.acquire(**host)) ++wrong;
        if (code->entry<int()>()() != 1) ++wrong;
        if (!key.release(**host)) ++wrong;
      }
    });
  }
  for (std::thread& thread : all) thread.join();
  EXPECT_EQ(wrong.load(), 0);
  EXPECT_EQ(key.references(), 0U);
  EXPECT_EQ(code->entry<int()>()(), 0);
}

}  // namespace
}  // namespace shunt::test
