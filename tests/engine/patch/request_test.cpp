// Wishes of places that may not block.
#include <gtest/gtest.h>
#include <pthread.h>

#include <csignal>
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include "tests/engine/group.h"
#include "tests/engine/test_code.h"

namespace shunt::test {
namespace {

// Runs `body` in a handler of SIGUSR1, on this thread.
void in_signal_handler(const std::function<void()>& body) {
  static const std::function<void()>* running = nullptr;
  running = &body;
  struct sigaction action{}, old{};
  action.sa_handler = [](int) { (*running)(); };
  ASSERT_EQ(sigaction(SIGUSR1, &action, &old), 0);
  ASSERT_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
  ASSERT_EQ(sigaction(SIGUSR1, &old, nullptr), 0);
}

class Requests : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(engine_.engine, nullptr);
    code_ = published(engine(), 128,
                      {{&a_, SiteForm::Toggle, 8, {100}},
                       {&b_, SiteForm::Toggle, 16, {100}},
                       {&choice_, SiteForm::AlignedWord, 24, {100, 110}}});
    recording().clear();
  }
  Engine& engine() { return *engine_.engine; }
  Recording& recording() { return *engine_.recording; }

  RecordingEngine engine_ = RecordingEngine::x86_64();
  StaticKey a_{"a"}, b_{"b"};
  StaticSwitch choice_{"choice", 3};
  Code code_;
};

TEST_F(Requests, AreCarriedOutByTheNextCommitBeforeItsOwnChanges) {
  EXPECT_TRUE(engine().request(a_, true));
  EXPECT_TRUE(engine().request(choice_, 2));
  EXPECT_EQ(recording().steps, Steps{});
  EXPECT_FALSE(a_.enabled());
  PatchBatch batch(engine());
  batch.enable(b_);
  batch.set(choice_, 1);
  const CommitReport report = committed(batch);
  EXPECT_EQ(report.batches, 3U);
  EXPECT_EQ(report.sites_written, 2U) << "what the batch itself changed";
  EXPECT_EQ(recording().stores.size(), 3U);
  EXPECT_EQ(recording().steps.back(), "serialise");
  EXPECT_EQ(report.serialisations, 1U);
  EXPECT_TRUE(a_.enabled() && b_.enabled());
  EXPECT_EQ(choice_.state(), 1U);
}

TEST_F(Requests, TheLastWishForAKeyCounts) {
  EXPECT_TRUE(engine().request(choice_, 1));
  EXPECT_TRUE(engine().request(choice_, 2));
  EXPECT_TRUE(engine().request(a_, true));
  EXPECT_TRUE(engine().request(a_, false));
  EXPECT_TRUE(engine().carry_out_requests());
  EXPECT_EQ(choice_.state(), 2U);
  EXPECT_FALSE(a_.enabled());
  EXPECT_EQ(recording().stores.size(), 1U);
  recording().clear();
  EXPECT_TRUE(engine().carry_out_requests()) << "nothing is left";
  EXPECT_EQ(recording().steps, Steps{});
}

TEST_F(Requests, ACommitThatBeginsLaterCountsMore) {
  EXPECT_TRUE(engine().request(a_, true));
  PatchBatch batch(engine());
  batch.disable(a_);  // which it is; but a wish is pending
  committed(batch);
  EXPECT_TRUE(engine().carry_out_requests());
  EXPECT_FALSE(a_.enabled());
  EXPECT_EQ(engine().instruction_now(engine().sites(code_)[0]), "test eax, 0x57");
}

// Another thread is between the two steps of a request of the same key.
TEST_F(Requests, ThatAnotherThreadIsToListAreNotOvertakenByALaterCommit) {
  detail::Requests& requests = detail::EngineInside::of(engine()).requests;
  ASSERT_TRUE(requests.set_wish(a_, 1));
  EXPECT_TRUE(engine().request(a_, true));
  EXPECT_TRUE(requests.empty());
  PatchBatch batch(engine());
  batch.disable(a_);  // which it is, but for the wish
  committed(batch);
  EXPECT_FALSE(a_.enabled());
  requests.list(a_);
  EXPECT_TRUE(engine().carry_out_requests());
  EXPECT_FALSE(a_.enabled()) << "the wish came before the commit";

  EXPECT_TRUE(engine().request(a_, true));
  EXPECT_TRUE(engine().carry_out_requests());
  EXPECT_TRUE(a_.enabled());
}

TEST_F(Requests, MadeAfterACommitThatTookAnUnlistedOneAreCarriedOutOnceTheKeyIsListed) {
  detail::Requests& requests = detail::EngineInside::of(engine()).requests;
  ASSERT_TRUE(requests.set_wish(a_, 1));
  PatchBatch batch(engine());
  batch.disable(a_);
  committed(batch);
  EXPECT_TRUE(engine().request(a_, true));
  EXPECT_TRUE(requests.empty()) << "it is for the other thread to list the key, once";
  requests.list(a_);
  EXPECT_TRUE(engine().carry_out_requests());
  EXPECT_TRUE(a_.enabled());
  batch.enable(a_);
  EXPECT_EQ(committed(batch).mechanism, "none") << "nothing is queued any more";
}

TEST_F(Requests, WhatIsNoStateOrOfAnotherEngineIsNotRecorded) {
  EXPECT_FALSE(engine().request(choice_, 3));
  const RecordingEngine other = RecordingEngine::x86_64();
  EXPECT_FALSE(other.engine->request(a_, true));
  StaticKey fresh("fresh");
  EXPECT_TRUE(other.engine->request(fresh, true)) << "a key belongs to the first engine that it is used with";
  EXPECT_FALSE(engine().request(fresh, true));
  EXPECT_TRUE(engine().carry_out_requests());
  EXPECT_EQ(recording().steps, Steps{});
}

TEST_F(Requests, AnErrorIsToldOnceAndHurtsNoOther) {
  std::uint8_t* const broken = const_cast<std::uint8_t*>(recording().rw) + 17;  // in b's site
  *broken ^= 0x10;
  EXPECT_TRUE(engine().request(b_, true));
  EXPECT_TRUE(engine().request(a_, true));
  const Status told = engine().carry_out_requests();
  ASSERT_FALSE(told);
  EXPECT_EQ(told.error().code(), ErrorCode::ExpectedBytesMismatch);
  EXPECT_TRUE(a_.enabled());
  *broken ^= 0x10;
  recording().clear();
  EXPECT_TRUE(engine().carry_out_requests());
  EXPECT_EQ(recording().steps, Steps{}) << "a request that failed is dropped";
  EXPECT_FALSE(b_.enabled());
}

TEST_F(Requests, OfASignalHandlerInsideACommitWaitForTheNextOne) {
  bool recorded = false;
  std::optional<ErrorCode> refused, refused_too;
  recording().at_serialisation = [&] {
    in_signal_handler([&] { recorded = engine().request(a_, true) && engine().request(b_, false); });
    // What a handler may not do. Not in a handler here, because it uses the heap as well.
    PatchBatch batch(engine());
    batch.disable(b_);
    const auto report = batch.commit();
    if (!report) refused = report.error().code();
    if (const Status status = engine().carry_out_requests(); !status) refused_too = status.error().code();
  };
  PatchBatch batch(engine());
  batch.enable(b_);
  committed(batch);
  EXPECT_TRUE(recorded);
  EXPECT_EQ(refused, ErrorCode::InsideCommit) << "a named error, and no deadlock";
  EXPECT_EQ(refused_too, ErrorCode::InsideCommit);
  EXPECT_FALSE(a_.enabled());
  EXPECT_TRUE(b_.enabled());
  EXPECT_TRUE(engine().carry_out_requests());
  EXPECT_TRUE(a_.enabled());
  EXPECT_FALSE(b_.enabled());
}

TEST_F(Requests, MadeWhileTheyAreCarriedOutAreNotLost) {
  EXPECT_TRUE(engine().request(a_, true));
  recording().at_serialisation = [&] { EXPECT_TRUE(engine().request(a_, false)); };
  EXPECT_TRUE(engine().carry_out_requests());
  EXPECT_TRUE(a_.enabled());
  EXPECT_TRUE(engine().carry_out_requests());
  EXPECT_FALSE(a_.enabled());
}

TEST_F(Requests, AreCarriedOutByTheEnginesOwnThread) {
  ASSERT_TRUE(engine().start_service_thread());
  ASSERT_TRUE(engine().start_service_thread()) << "it runs: nothing to do";
  for (int i = 0; i < 200; ++i) {
    const bool on = i % 2 == 0;
    in_signal_handler([&] { EXPECT_TRUE(engine().request(a_, on)); });
    while (a_.enabled() != on) std::this_thread::yield();
  }
}

TEST_F(Requests, OfAKeyThatEndsAreCarriedOutFirst) {
  std::optional<StaticKey> key(std::in_place, "ending");
  const Code code = published(engine(), 32, {{&*key, SiteForm::Toggle, 0, {16}}});
  const SiteInfo site = engine().sites(code)[0];
  EXPECT_TRUE(engine().request(*key, true));
  EXPECT_TRUE(engine().request(a_, true));
  key.reset();
  EXPECT_EQ(engine().instruction_now(site), "jmp +0x10");
  EXPECT_TRUE(a_.enabled());
  std::optional<StaticKey> without_sites(std::in_place, "never used but for this");
  EXPECT_TRUE(engine().request(*without_sites, true));
  without_sites.reset();
  EXPECT_TRUE(engine().carry_out_requests());
}

TEST_F(Requests, OfAnEngineThatEndsAreCarriedOutFirst) {
  StaticKey key("key");
  {
    const RecordingEngine other = RecordingEngine::x86_64();
    EXPECT_TRUE(other.engine->request(key, true));
  }
  EXPECT_TRUE(key.enabled());
  EXPECT_TRUE(engine().request(key, false)) << "free for another engine";
  EXPECT_TRUE(engine().carry_out_requests());
  EXPECT_FALSE(key.enabled());
}

// Whoever waits behind a leader may be interrupted too; it is not the one that commits.
TEST_F(Requests, OfASignalHandlerInAWaitingThread) {
  PatchBatch lead(engine());
  lead.enable(b_);
  std::atomic<pthread_t> waiting{};
  static std::function<bool()> request;
  static std::atomic<int> handled = 0;
  request = [this] { return engine().request(choice_, 1); };
  handled = 0;
  struct sigaction action{}, old{};
  action.sa_handler = [](int) { handled = request() ? 1 : -1; };
  ASSERT_EQ(sigaction(SIGUSR1, &action, &old), 0);
  {
    HeldLeader leader(engine(), recording(), lead);
    leader.follow([&] {
      waiting = pthread_self();
      PatchBatch batch(engine());
      batch.enable(a_);
      EXPECT_TRUE(batch.commit());
    });
    ASSERT_EQ(pthread_kill(waiting, SIGUSR1), 0);
    while (handled == 0) std::this_thread::yield();
    leader.release();
  }
  ASSERT_EQ(sigaction(SIGUSR1, &old, nullptr), 0);
  EXPECT_EQ(handled, 1);
  EXPECT_EQ(choice_.state(), 1U) << "carried out before the commit that waited";
  EXPECT_TRUE(a_.enabled());
}

}  // namespace
}  // namespace shunt::test
