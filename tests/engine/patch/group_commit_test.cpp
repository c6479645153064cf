// Group commit on the recording engine: what threads that wait behind a commit share, and what each has for itself.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <string>

#include "tests/engine/group.h"
#include "tests/engine/test_code.h"

namespace shunt::test {
namespace {

class GroupCommit : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(engine_.engine, nullptr);
    lead_.enable(leading_);
    code_ = published(engine(), 128,
                      {{&leading_, SiteForm::Toggle, 0, {100}},
                       {&a_, SiteForm::Toggle, 8, {100}},
                       {&b_, SiteForm::Toggle, 16, {100}},
                       {&choice_, SiteForm::AlignedWord, 24, {100, 110}}});
    recording().clear();
  }
  Engine& engine() { return *engine_.engine; }
  Recording& recording() { return *engine_.recording; }
  std::string instruction(int site) { return engine().instruction_now(engine().sites(code_)[site]); }

  // A commit on a thread of its own, behind `leader`.
  template <class Fill>
  void follow(HeldLeader& leader, std::optional<Result<CommitReport>>& verdict, Fill fill) {
    leader.follow([this, &verdict, fill] {
      PatchBatch batch(engine());
      fill(batch);
      verdict = batch.commit();
    });
  }

  RecordingEngine engine_ = RecordingEngine::x86_64();
  StaticKey leading_{"leading"}, a_{"a"}, b_{"b"};
  StaticSwitch choice_{"choice", 3};
  Code code_;
  PatchBatch lead_{engine()};
  std::optional<Result<CommitReport>> first_, second_, third_;
};

TEST_F(GroupCommit, WaitingBatchesShareOneSerialisation) {
  HeldLeader leader(engine(), recording(), lead_);
  follow(leader, first_, [&](PatchBatch& batch) { batch.enable(a_); });
  follow(leader, second_, [&](PatchBatch& batch) { batch.enable(b_); });
  follow(leader, third_, [&](PatchBatch& batch) { batch.set(choice_, 2); });
  leader.release();
  EXPECT_EQ(recording().steps, (Steps{"check rx+0x0", "store1 rw+0x0", "serialise",      //
                                      "check rx+0x8", "check rx+0x10", "check rx+0x18",  //
                                      "store1 rw+0x8", "store1 rw+0x10", "store8 rw+0x18", "serialise"}));
  for (const auto* verdict : {&first_, &second_, &third_}) {
    ASSERT_TRUE(**verdict);
    EXPECT_EQ((*verdict)->value().batches, 3U);
    EXPECT_EQ((*verdict)->value().serialisations, 1U);
    EXPECT_EQ((*verdict)->value().sites_written, 1U);
    EXPECT_EQ((*verdict)->value().generation, 2U);
  }
  EXPECT_TRUE(a_.enabled() && b_.enabled());
  EXPECT_EQ(choice_.state(), 2U);
  EXPECT_EQ(engine().stats().commits, 4U);
}

TEST_F(GroupCommit, ARefusedBatchWritesNothingAndDoesNotHurtTheOthers) {
  std::uint8_t* const broken = const_cast<std::uint8_t*>(recording().rw) + 17;  // in b's site
  *broken ^= 0x10;
  {
    HeldLeader leader(engine(), recording(), lead_);
    follow(leader, first_, [&](PatchBatch& batch) { batch.enable(a_); });
    follow(leader, second_, [&](PatchBatch& batch) {
      batch.set(choice_, 1);
      batch.disable(a_);
      batch.enable(b_);
      batch.retarget(choice_, code_.data() + 24, 1, code_.data() + 120);
    });
    follow(leader, third_, [&](PatchBatch& batch) { batch.set(choice_, 2); });
    leader.release();
  }
  ASSERT_FALSE(*second_);
  EXPECT_EQ(second_->error().code(), ErrorCode::ExpectedBytesMismatch);
  ASSERT_TRUE(*first_);
  ASSERT_TRUE(*third_);
  EXPECT_TRUE(a_.enabled());
  EXPECT_FALSE(b_.enabled());
  EXPECT_EQ(choice_.state(), 2U);
  EXPECT_EQ(instruction(1), "jmp +0x5c");
  EXPECT_EQ(instruction(3), "jmp +0x56");  // 110 - 24
  const SiteInfo choice_site = engine().sites(code_)[3];
  EXPECT_EQ(engine().instruction(choice_site, 1), "jmp +0x4c") << "its retarget does not stay";
  *broken ^= 0x10;
  PatchBatch again(engine());
  again.enable(b_);
  EXPECT_EQ(committed(again).sites_written, 1U);
}

TEST_F(GroupCommit, OfTwoThatSetAKeyTheLaterOneCounts) {
  HeldLeader leader(engine(), recording(), lead_);
  follow(leader, first_, [&](PatchBatch& batch) { batch.set(choice_, 1); });
  follow(leader, second_, [&](PatchBatch& batch) { batch.set(choice_, 2); });
  follow(leader, third_, [&](PatchBatch& batch) { batch.set(choice_, 2); });
  recording().clear();
  leader.release();
  EXPECT_EQ(recording().steps, (Steps{"check rx+0x18", "store8 rw+0x18", "serialise"}));
  EXPECT_EQ(choice_.state(), 2U);
  EXPECT_EQ(instruction(3), "jmp +0x56");
  EXPECT_EQ((*first_)->sites_written, 1U);
  EXPECT_EQ((*second_)->sites_written, 1U);
  EXPECT_EQ((*third_)->sites_written, 0U);
  EXPECT_EQ((*third_)->sites_unchanged, 1U);
}

TEST_F(GroupCommit, WhatALaterBatchTakesBackIsNotWritten) {
  HeldLeader leader(engine(), recording(), lead_);
  follow(leader, first_, [&](PatchBatch& batch) { batch.enable(a_); });
  follow(leader, second_, [&](PatchBatch& batch) {
    batch.disable(a_);
    batch.enable(b_);
  });
  recording().clear();
  leader.release();
  EXPECT_EQ(recording().steps, (Steps{"check rx+0x8", "check rx+0x10", "store1 rw+0x10", "serialise"}));
  ASSERT_TRUE(*first_ && *second_);
  EXPECT_FALSE(a_.enabled());
}

TEST_F(GroupCommit, ARetargetIsSeenByTheBatchBehindIt) {
  HeldLeader leader(engine(), recording(), lead_);
  follow(leader, first_, [&](PatchBatch& batch) { batch.retarget(choice_, code_.data() + 24, 2, code_.data() + 120); });
  follow(leader, second_, [&](PatchBatch& batch) { batch.set(choice_, 2); });
  follow(leader, third_, [&](PatchBatch& batch) { batch.retarget(choice_, code_.data() + 24, 2, code_.data() + 112); });
  leader.release();
  EXPECT_EQ(instruction(3), "jmp +0x58");  // 112 - 24
  ASSERT_TRUE(*first_ && *second_ && *third_);
}

TEST_F(GroupCommit, AFailedSerialisationReachesAllThatWrote) {
  StaticKey without_sites("without sites");
  StaticKey early("early");  // on, and complete
  PatchBatch before(engine());
  before.enable(early);
  committed(before);
  HeldLeader leader(engine(), recording(), lead_);
  follow(leader, first_, [&](PatchBatch& batch) { batch.enable(a_); });
  follow(leader, second_, [&](PatchBatch& batch) {
    batch.enable(a_);  // written by the first one
    batch.enable(early);
  });
  follow(leader, third_, [&](PatchBatch& batch) { batch.disable(without_sites); });
  recording().failing_serialisations = 1;  // the one of the three; the leader is past its own
  leader.release();
  for (const auto* verdict : {&first_, &second_}) {
    ASSERT_FALSE(**verdict);
    EXPECT_EQ((*verdict)->error().code(), ErrorCode::SerialisationFailed);
  }
  EXPECT_TRUE(*third_) << "nothing of it was written";
  EXPECT_FALSE(a_.enabled());
  EXPECT_TRUE(engine().resynchronise());
  EXPECT_TRUE(a_.enabled());
}

// A batch that finds the wanted state in place while the flip to it is not serialised is not done before that flip.
TEST_F(GroupCommit, ANoOpWaitsForTheFlipThatIsUnderWay) {
  HeldLeader leader(engine(), recording(), lead_);
  follow(leader, first_,
         [&](PatchBatch& batch) { batch.enable(leading_); });  // returns only if it waited: see follow()
  EXPECT_FALSE(first_.has_value());
  leader.release();
  ASSERT_TRUE(*first_);
  EXPECT_EQ((*first_)->sites_written, 0U);
  EXPECT_EQ((*first_)->mechanism, "none");
  recording().clear();
  PatchBatch again(engine());
  again.enable(leading_);
  EXPECT_EQ(committed(again).batches, 1U);
  EXPECT_EQ(recording().steps, Steps{});
}

// A leader does the batches that waited when it began, and returns: those that came meanwhile have a leader of their
// own, whose core serialisation the first one's commit does not wait for.
TEST_F(GroupCommit, ALeaderDoesOneGroup) {
  constexpr auto time_limit = std::chrono::seconds(20);  // for a thread to get to run
  std::atomic<bool> first_returned = false;
  bool returned_before_the_late_one = false;
  std::optional<Result<CommitReport>> late;
  std::thread latecomer;
  HeldLeader leader(engine(), recording(), lead_);
  leader.follow([&] {
    PatchBatch batch(engine());
    batch.enable(a_);
    first_ = batch.commit();
    first_returned = true;
  });
  recording().at_serialisation = [&] {
    latecomer = std::thread([&] {
      PatchBatch batch(engine());
      batch.enable(b_);
      late = batch.commit();
    });
    while (detail::EngineInside::of(engine()).waiting.empty()) std::this_thread::yield();
    recording().at_serialisation = [&] {
      const auto end = std::chrono::steady_clock::now() + time_limit;
      while (!first_returned && std::chrono::steady_clock::now() < end) std::this_thread::yield();
      returned_before_the_late_one = first_returned;
    };
  };
  leader.release();
  latecomer.join();
  ASSERT_TRUE(*first_);
  ASSERT_TRUE(*late);
  EXPECT_TRUE(returned_before_the_late_one);
  EXPECT_EQ((*first_)->batches, 1U);
  EXPECT_EQ((*late)->batches, 1U);
}

TEST_F(GroupCommit, AKeyMayEndBetweenAFailedSerialisationAndTheNext) {
  {
    StaticKey ending("ending"), other("other");
    const Code code =
        published(engine(), 32, {{&ending, SiteForm::Toggle, 0, {16}}, {&other, SiteForm::Toggle, 8, {16}}});
    recording().failing_serialisations = 2;
    PatchBatch batch(engine());
    batch.enable(ending);
    batch.enable(other);
    batch.enable(a_);
    EXPECT_FALSE(batch.commit());
    EXPECT_FALSE(engine().resynchronise());
  }
  EXPECT_TRUE(engine().resynchronise());
  EXPECT_TRUE(a_.enabled());
}

}  // namespace
}  // namespace shunt::test
