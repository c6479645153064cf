// The protocol as a list of steps, on the recording engine. tests/engine/CMakeLists.txt builds this file a second time,
// with deliberate faults: for each step there is a mutant that one of these tests must catch.
#include <gtest/gtest.h>

#include <string>

#include "tests/engine/recording.h"
#include "tests/engine/test_code.h"

namespace shunt::test {
namespace {

class X86Protocol : public testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(engine_.engine, nullptr); }
  Engine& engine() { return *engine_.engine; }
  Recording& recording() { return *engine_.recording; }

  RecordingEngine engine_ = RecordingEngine::x86_64();
  StaticKey key_{"key"};
  StaticKey other_{"other"};
  StaticSwitch choice_{"choice", 3};
};

TEST_F(X86Protocol, ChecksAllThenWritesAllThenSerialisesOnce) {
  const Code a =
      published(engine(), 128, {{&key_, SiteForm::Toggle, 3, {100}}, {&key_, SiteForm::AlignedWord, 64, {100}}});
  const Code b = published(engine(), 64, {{&other_, SiteForm::AlignedWord, 5, {40}}});
  recording().clear();

  PatchBatch batch(engine());
  batch.enable(key_);
  batch.enable(other_);
  const CommitReport report = committed(batch);

  EXPECT_EQ(recording().steps, (Steps{"check rx+0x3", "check rx+0x40", "check rx+0x85",  //
                                      "store1 rw+0x3", "store8 rw+0x40", "store8 rw+0x88", "serialise"}));
  EXPECT_EQ(report.sites_written, 3U);
  EXPECT_EQ(report.sites_unchanged, 0U);
  EXPECT_EQ(report.serialisations, 1U);
  EXPECT_EQ(report.mechanism, "recording");
  EXPECT_EQ(report.visibility, Visibility::Synced);
  EXPECT_EQ(report.generation, 1U);
  EXPECT_TRUE(key_.enabled() && other_.enabled());
}

TEST_F(X86Protocol, AToggleIsOneByteAndAnAlignedWordOneWord) {
  const Code code =
      published(engine(), 64, {{&key_, SiteForm::Toggle, 1, {50}}, {&key_, SiteForm::AlignedWord, 18, {50}}});
  recording().clear();
  PatchBatch batch(engine());
  batch.enable(key_);
  committed(batch);

  ASSERT_EQ(recording().stores.size(), 2U);
  const Store& toggle = recording().stores[0];
  EXPECT_EQ(toggle.offset, 1U);
  EXPECT_EQ(toggle.size, 1U);
  EXPECT_EQ(toggle.old_value, 0xA9U);
  EXPECT_EQ(toggle.new_value, 0xE9U);
  const Store& word = recording().stores[1];
  EXPECT_EQ(word.offset, 16U);
  EXPECT_EQ(word.size, 8U);
  EXPECT_EQ(word.old_value, 0x90'00'00'44'1F'0F'90'90U);
  EXPECT_EQ(word.new_value, 0x90'00'00'00'1B'E9'90'90U);  // 50 - (18 + 5) = 0x1B
}

TEST_F(X86Protocol, NothingToDoWritesNothingAndSerialisesNothing) {
  const Code code = published(engine(), 64, {{&key_, SiteForm::Toggle, 0, {32}}, {&key_, SiteForm::Toggle, 16, {32}}});
  recording().clear();
  PatchBatch batch(engine());
  batch.disable(key_);
  const CommitReport report = committed(batch);
  EXPECT_EQ(recording().steps, Steps{});
  EXPECT_EQ(report.sites_written, 0U);
  EXPECT_EQ(report.sites_unchanged, 2U);
  EXPECT_EQ(report.serialisations, 0U);
  EXPECT_EQ(report.mechanism, "none");
  EXPECT_EQ(report.generation, 0U);
}

TEST_F(X86Protocol, OfSeveralSettingsOfAKeyTheLastCounts) {
  const Code code = published(engine(), 64, {{&key_, SiteForm::Toggle, 0, {32}}});
  recording().clear();
  PatchBatch batch(engine());
  batch.enable(key_);
  batch.disable(key_);
  committed(batch);
  EXPECT_EQ(recording().steps, Steps{});
  batch.disable(key_);
  batch.enable(key_);
  EXPECT_EQ(committed(batch).sites_written, 1U);
  EXPECT_TRUE(key_.enabled());
  EXPECT_EQ(committed(batch).sites_written, 0U) << "a committed batch is empty";
}

TEST_F(X86Protocol, UnchangedKeysOfABatchAreCountedAndLeftAlone) {
  const Code code = published(engine(), 64, {{&key_, SiteForm::Toggle, 0, {32}}, {&other_, SiteForm::Toggle, 8, {32}}});
  recording().clear();
  PatchBatch batch(engine());
  batch.enable(key_);
  batch.disable(other_);
  const CommitReport report = committed(batch);
  EXPECT_EQ(report.sites_written, 1U);
  EXPECT_EQ(report.sites_unchanged, 1U);
  EXPECT_EQ(recording().steps, (Steps{"check rx+0x0", "store1 rw+0x0", "serialise"}));
}

TEST_F(X86Protocol, AMismatchAnywhereLeavesEverythingAsItWas) {
  const std::vector<TestSite> sites = {{&key_, SiteForm::Toggle, 0, {100}},
                                       {&other_, SiteForm::AlignedWord, 68, {100}}};
  const Engine::Allocation allocation = written_code(engine(), 128, sites);
  const Code code = std::move(*engine().publish(allocation, new_sites(sites)));
  std::uint8_t* const bytes = alias_of(engine(), code);
  const std::vector<std::uint8_t> before(bytes, bytes + 128);
  bytes[69] ^= 0x10;  // in the second site's prefixes
  recording().clear();

  PatchBatch batch(engine());
  batch.enable(key_);
  batch.enable(other_);
  const auto report = batch.commit();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code(), ErrorCode::ExpectedBytesMismatch);
  char address[24];
  std::snprintf(address, sizeof address, "%p", static_cast<const void*>(allocation.rx + 68));
  EXPECT_NE(report.error().message().find(address), std::string::npos) << report.error().message();
  EXPECT_NE(report.error().message().find("found 2e 3e 2e 2e 0f 1f 44 00 00"), std::string::npos)
      << report.error().message();
  EXPECT_NE(report.error().message().find("expected 2e 2e 2e 2e 0f 1f 44 00 00"), std::string::npos);
  EXPECT_NE(report.error().message().find("\"other\""), std::string::npos);

  EXPECT_EQ(recording().steps, (Steps{"check rx+0x0", "check rx+0x44"}));
  EXPECT_FALSE(key_.enabled() || other_.enabled());
  bytes[69] ^= 0x10;
  EXPECT_EQ(std::vector<std::uint8_t>(bytes, bytes + 128), before);
  batch.enable(key_);
  batch.enable(other_);
  EXPECT_EQ(committed(batch).sites_written, 2U);
}

TEST_F(X86Protocol, EveryByteOfASiteIsExpected) {
  for (SiteForm form : {SiteForm::Toggle, SiteForm::AlignedWord}) {
    StaticKey key("each byte");
    const std::vector<TestSite> sites = {{&key, form, 4, {60}}};
    const Engine::Allocation allocation = written_code(engine(), 128, sites);
    const Code code = std::move(*engine().publish(allocation, new_sites(sites)));
    const unsigned length = engine().sites(code)[0].length;
    EXPECT_EQ(length, form == SiteForm::Toggle ? 5U : 9U);
    std::uint8_t* const bytes = alias_of(engine(), code);
    for (unsigned byte = 0; byte < length; ++byte) {
      bytes[4 + byte] ^= 1;
      PatchBatch batch(engine());
      batch.enable(key);
      EXPECT_FALSE(batch.commit()) << byte;
      bytes[4 + byte] ^= 1;
    }
    bytes[3] ^= 1;
    bytes[4 + length] ^= 1;  // neighbours are nobody's business
    PatchBatch batch(engine());
    batch.enable(key);
    EXPECT_TRUE(batch.commit());
  }
}

TEST_F(X86Protocol, AFailedSerialisationIsReportedAndCanBeRepeated) {
  const Code code = published(engine(), 64, {{&key_, SiteForm::Toggle, 0, {32}}});
  recording().clear();
  recording().failing_serialisations = 2;
  PatchBatch batch(engine());
  batch.enable(key_);
  auto report = batch.commit();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code(), ErrorCode::SerialisationFailed);
  EXPECT_EQ(recording().steps, (Steps{"check rx+0x0", "store1 rw+0x0", "serialise"}));
  EXPECT_FALSE(key_.enabled()) << "not complete";

  EXPECT_FALSE(engine().resynchronise());
  EXPECT_TRUE(engine().resynchronise());
  EXPECT_TRUE(key_.enabled());
  recording().clear();
  EXPECT_TRUE(engine().resynchronise()) << "nothing to do";
  EXPECT_EQ(recording().steps, Steps{});
}

TEST_F(X86Protocol, AfterAFailedSerialisationNoCommitOfTheKeySucceedsWithoutOne) {
  const Code code = published(engine(), 64, {{&key_, SiteForm::Toggle, 0, {32}}, {&other_, SiteForm::Toggle, 8, {32}}});
  recording().failing_serialisations = 1;
  PatchBatch batch(engine());
  batch.enable(key_);
  ASSERT_FALSE(batch.commit());
  recording().clear();

  batch.enable(key_);  // written already, so only the serialisation is missing
  const CommitReport again = committed(batch);
  EXPECT_EQ(recording().steps, Steps{"serialise"});
  EXPECT_EQ(again.sites_written, 0U);
  EXPECT_EQ(again.serialisations, 1U);
  EXPECT_TRUE(key_.enabled());

  recording().failing_serialisations = 1;
  batch.disable(key_);
  ASSERT_FALSE(batch.commit());
  recording().clear();
  batch.enable(key_);  // the state that state() still shows, but not the one in memory
  EXPECT_EQ(committed(batch).sites_written, 1U);
  EXPECT_EQ(recording().steps, (Steps{"check rx+0x0", "store1 rw+0x0", "serialise"}));
}

TEST_F(X86Protocol, ASwitchGoesStraightFromTargetToTarget) {
  const Code code = published(engine(), 64, {{&choice_, SiteForm::AlignedWord, 0, {32, 48}}});
  const SiteInfo site = engine().sites(code)[0];
  PatchBatch batch(engine());
  for (auto [state, instruction] : {std::pair{1U, "jmp +0x20"}, {2U, "jmp +0x30"}, {0U, "nop"}, {2U, "jmp +0x30"}}) {
    batch.set(choice_, state);
    recording().clear();
    committed(batch);
    EXPECT_EQ(recording().steps, (Steps{"check rx+0x0", "store8 rw+0x0", "serialise"}));
    EXPECT_EQ(engine().instruction_now(site), instruction);
    EXPECT_EQ(engine().instruction(site, state), instruction);
    EXPECT_EQ(choice_.state(), state);
  }
}

TEST_F(X86Protocol, RetargetOfTheCurrentStateRewritesTheSiteInPlace) {
  const Code code = published(
      engine(), 64, {{&choice_, SiteForm::AlignedWord, 0, {32, 48}}, {&choice_, SiteForm::AlignedWord, 8, {32, 48}}});
  const Code stub = published(engine(), 16, {});
  PatchBatch batch(engine());
  batch.set(choice_, 2);
  committed(batch);
  recording().clear();

  batch.retarget(choice_, code.data() + 8, 2, stub.data());
  const CommitReport report = committed(batch);
  EXPECT_EQ(recording().steps, (Steps{"check rx+0x8", "store8 rw+0x8", "serialise"}));
  EXPECT_EQ(report.sites_written, 1U);
  EXPECT_EQ(engine().instruction_now(engine().sites(code)[0]), "jmp +0x30");
  EXPECT_EQ(engine().instruction_now(engine().sites(code)[1]), "jmp +0x38");  // 0x40 - 8
  EXPECT_EQ(engine().sites(code)[1].targets[1], stub.data());
}

TEST_F(X86Protocol, RetargetOfAnotherStateWaitsForThatState) {
  const Code code = published(engine(), 64, {{&choice_, SiteForm::AlignedWord, 0, {32, 48}}});
  recording().clear();
  PatchBatch batch(engine());
  batch.retarget(choice_, code.data(), 2, code.data() + 56);
  EXPECT_EQ(committed(batch).mechanism, "none");
  EXPECT_EQ(recording().steps, Steps{});
  batch.set(choice_, 2);
  committed(batch);
  EXPECT_EQ(engine().instruction_now(engine().sites(code)[0]), "jmp +0x38");
}

TEST_F(X86Protocol, RetargetAndFlipInOneBatchIsOneStore) {
  const Code code = published(engine(), 64, {{&choice_, SiteForm::AlignedWord, 0, {32, 48}}});
  recording().clear();
  PatchBatch batch(engine());
  batch.retarget(choice_, code.data(), 2, code.data() + 40);
  batch.retarget(choice_, code.data(), 2, code.data() + 56);  // the last one counts
  batch.set(choice_, 2);
  EXPECT_EQ(committed(batch).sites_written, 1U);
  EXPECT_EQ(recording().steps, (Steps{"check rx+0x0", "store8 rw+0x0", "serialise"}));
  EXPECT_EQ(engine().instruction_now(engine().sites(code)[0]), "jmp +0x38");

  // Away from the retargeted state in the same batch: the record changes, the bytes are those of the new state.
  recording().clear();
  batch.retarget(choice_, code.data(), 2, code.data() + 40);
  batch.set(choice_, 1);
  EXPECT_EQ(committed(batch).sites_written, 1U);
  EXPECT_EQ(engine().instruction_now(engine().sites(code)[0]), "jmp +0x20");
  batch.set(choice_, 2);
  committed(batch);
  EXPECT_EQ(engine().instruction_now(engine().sites(code)[0]), "jmp +0x28");
}

TEST_F(X86Protocol, SeveralRetargetsOfASiteInPlaceAreOneStore) {
  const Code code = published(engine(), 64, {{&choice_, SiteForm::AlignedWord, 0, {32, 48}}});
  PatchBatch batch(engine());
  batch.set(choice_, 1);
  committed(batch);
  recording().clear();
  batch.retarget(choice_, code.data(), 1, code.data() + 40);
  batch.retarget(choice_, code.data(), 1, code.data() + 56);
  EXPECT_EQ(committed(batch).sites_written, 1U);
  EXPECT_EQ(recording().steps, (Steps{"check rx+0x0", "store8 rw+0x0", "serialise"}));
  EXPECT_EQ(engine().instruction_now(engine().sites(code)[0]), "jmp +0x38");
}

TEST_F(X86Protocol, RetargetRefusesWhatItCannotDo) {
  const Code code = published(engine(), 64, {{&choice_, SiteForm::AlignedWord, 0, {32, 48}}});
  const int elsewhere = 0;
  const auto refused = [&](const void* site, unsigned state, const void* target) {
    PatchBatch batch(engine());
    batch.set(choice_, 1);
    batch.retarget(choice_, site, state, target);
    const auto report = batch.commit();
    return !report && report.error().code() == ErrorCode::InvalidArgument;
  };
  EXPECT_TRUE(refused(code.data(), 0, code.data() + 8)) << "state 0 falls through";
  EXPECT_TRUE(refused(code.data(), 3, code.data() + 8)) << "no such state";
  EXPECT_TRUE(refused(code.data() + 1, 1, code.data() + 8)) << "no site there";
  EXPECT_TRUE(refused(&elsewhere, 1, code.data() + 8)) << "site outside";
  EXPECT_TRUE(refused(code.data(), 1, &elsewhere)) << "target outside";
  EXPECT_EQ(choice_.state(), 0U);
}

TEST_F(X86Protocol, PublishWritesTheKeysStateThenSerialises) {
  const Code first = published(engine(), 16, {{&key_, SiteForm::Toggle, 0, {8}}});
  PatchBatch batch(engine());
  batch.enable(key_);
  committed(batch);
  recording().clear();
  const Code code =
      published(engine(), 64, {{&key_, SiteForm::Toggle, 0, {32}}, {&key_, SiteForm::AlignedWord, 8, {32}}});
  EXPECT_EQ(recording().steps, Steps{"serialise"});
  EXPECT_EQ(engine().instruction_now(engine().sites(code)[0]), "jmp +0x20");
  EXPECT_EQ(engine().instruction_now(engine().sites(code)[1]), "jmp +0x18");
}

TEST_F(X86Protocol, PublishNosyncLeavesTheSerialisationToTheNextCommit) {
  recording().clear();
  const std::vector<TestSite> sites = {{&key_, SiteForm::Toggle, 0, {8}}};
  const auto code = engine().publish_nosync(written_code(engine(), 16, sites), new_sites(sites));
  ASSERT_TRUE(code);
  EXPECT_EQ(recording().steps, Steps{});
  EXPECT_EQ(engine().sites(*code).size(), 1U);
}

}  // namespace
}  // namespace shunt::test
