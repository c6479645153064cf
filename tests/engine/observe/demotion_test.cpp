// Keys that are flipped too often: reported, demoted, promoted. Time is what the test says.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <new>
#include <thread>

#include "tests/engine/recording.h"
#include "tests/engine/test_code.h"

namespace shunt::test {
namespace {

constexpr std::uint64_t second = 1'000'000'000;
std::uint64_t now_ns = 0;

class Demotion : public testing::Test {
 protected:
  void SetUp() override { now_ns = 5 * second; }

  template <class Isa>
  void make(InstructionSet set, arch::CacheTraits traits) {
    detail::EngineParts parts;
    parts.patcher = std::make_unique<detail::Protocol<Isa, RecordingWriter>>(set, RecordingWriter(recording_, traits));
    parts.serialiser = std::make_unique<RecordingSerialiser>(recording_);
    parts.clock = []() noexcept { return now_ns; };
    parts.watches_demoted_keys = false;  // by the real clock
    auto engine = Engine::create({.code_reservation = reservation, .flip_limit = limit}, std::move(parts));
    ASSERT_TRUE(engine);
    engine_ = std::move(*engine);
  }
  void make_x86_64() { make<arch::x86_64::InstructionSet>(InstructionSet::X86_64, arch::x86_64::cache_traits); }

  CommitReport flip(DemotableKey& key, bool on) {
    PatchBatch batch(*engine_);
    batch.set(key, on);
    recording_->clear();
    return committed(batch);
  }
  // One flip more than the limit.
  void thrash(DemotableKey& key) {
    for (unsigned i = 0; i <= limit; ++i) flip(key, !key.enabled());
  }
  // Two sites: 0 and 16, on: 32, stub: 48.
  Code code(DemotableKey& key) {
    return published(*engine_, 64,
                     {{&key, SiteForm::AlignedWord, 0, {32, 48, 48}}, {&key, SiteForm::AlignedWord, 16, {32, 48, 48}}});
  }
  // Where the first site leads: "nop", "jmp +0x20".
  std::string instruction(const Code& of) { return engine_->instruction_now(engine_->sites(of)[0]); }
  KeyStats stats(const char* name) {
    for (const KeyStats& key : engine_->key_stats()) {
      if (key.name == name) return key;
    }
    ADD_FAILURE() << name;
    return {};
  }

  static constexpr std::uint32_t limit = 4;
  std::shared_ptr<Recording> recording_ = std::make_shared<Recording>();
  std::unique_ptr<Engine> engine_;
};

TEST_F(Demotion, AFlipTooManySendsTheSitesToTheirStubs) {
  make_x86_64();
  DemotableKey key("busy");
  const Code sites = code(key);
  for (unsigned i = 0; i < limit; ++i) {
    EXPECT_EQ(flip(key, i % 2 == 0).sites_written, 2U);
    EXPECT_FALSE(key.demoted());
    EXPECT_EQ(key.word().load(), i % 2 == 0 ? 1U : 0U);
  }
  EXPECT_EQ(instruction(sites), "nop");
  const CommitReport report = flip(key, true);
  EXPECT_TRUE(key.demoted());
  EXPECT_TRUE(key.enabled());
  EXPECT_EQ(report.sites_written, 2U);
  EXPECT_EQ(report.serialisations, 1U);
  EXPECT_EQ(instruction(sites), "jmp +0x30");
  EXPECT_EQ(key.word().load(), 1U);
  EXPECT_TRUE(stats("busy").thrashing);
  EXPECT_TRUE(stats("busy").demoted);
  EXPECT_EQ(stats("busy").flips, limit + 1);
  EXPECT_EQ(engine_->stats().demotions, 1U);
  EXPECT_EQ(engine_->stats().times_thrashing, 1U);
}

TEST_F(Demotion, AFlipOfADemotedKeyStoresAWordAndNothingElse) {
  make_x86_64();
  DemotableKey key("busy");
  const Code sites = code(key);
  thrash(key);
  ASSERT_TRUE(key.demoted());
  for (const bool on : {false, true, false}) {
    const CommitReport report = flip(key, on);
    EXPECT_EQ(recording_->steps, Steps());  // nothing checked, written or serialised
    EXPECT_EQ(report.sites_written, 0U);
    EXPECT_EQ(report.sites_unchanged, 2U);
    EXPECT_EQ(report.serialisations, 0U);
    EXPECT_EQ(report.visibility, Visibility::Synced);
    EXPECT_EQ(key.enabled(), on);
    EXPECT_EQ(key.word().load(), on ? 1U : 0U);
    EXPECT_EQ(instruction(sites), "jmp +0x30");
  }
  EXPECT_EQ(engine_->stats().data_flips, 3U);
  const std::uint64_t commits = engine_->stats().commits;
  flip(key, false);  // nothing to do: no lock
  EXPECT_EQ(engine_->stats().commits, commits);
}

TEST_F(Demotion, WhereLoadsAreNotInOrderADataFlipSerialises) {
  make<arch::arm64::InstructionSet>(InstructionSet::Arm64, arch::arm64::parse_ctr(0x8444C004));
  DemotableKey key("busy");
  const Code sites = code(key);
  thrash(key);
  ASSERT_TRUE(key.demoted());
  const CommitReport report = flip(key, !key.enabled());
  EXPECT_EQ(recording_->steps, (Steps{"serialise"}));
  EXPECT_EQ(report.serialisations, 1U);
  EXPECT_EQ(report.sites_written, 0U);
}

TEST_F(Demotion, IsPromotedByAFlipAfterACalmSecond) {
  make_x86_64();
  DemotableKey key("busy");
  const Code sites = code(key);
  thrash(key);  // on
  now_ns += second;
  flip(key, false);  // the second that ends now was busy
  flip(key, true);
  EXPECT_TRUE(key.demoted());
  now_ns += second;  // two flips in it: half the limit
  const CommitReport report = flip(key, false);
  EXPECT_FALSE(key.demoted());
  EXPECT_EQ(report.sites_written, 2U);
  EXPECT_EQ(instruction(sites), "nop");
  EXPECT_EQ(engine_->stats().promotions, 1U);
  EXPECT_FALSE(stats("busy").thrashing);
  flip(key, true);
  EXPECT_EQ(instruction(sites), "jmp +0x20");
}

TEST_F(Demotion, PromoteCalmKeysTakesThoseThatHadNoFlipForASecond) {
  make_x86_64();
  DemotableKey calm("calm");
  DemotableKey busy("busy");
  const Code calm_sites = code(calm);
  const Code busy_sites = code(busy);
  thrash(calm);
  now_ns += second;
  thrash(busy);
  now_ns += second;
  recording_->clear();
  ASSERT_TRUE(engine_->promote_calm_keys());
  EXPECT_EQ(std::count(recording_->steps.begin(), recording_->steps.end(), "serialise"), 1);
  EXPECT_FALSE(calm.demoted());
  EXPECT_TRUE(calm.enabled());
  EXPECT_EQ(instruction(calm_sites), "jmp +0x20");
  EXPECT_TRUE(busy.demoted());
  EXPECT_EQ(instruction(busy_sites), "jmp +0x30");
  recording_->clear();
  ASSERT_TRUE(engine_->promote_calm_keys());
  EXPECT_EQ(recording_->steps, Steps());
}

TEST_F(Demotion, NewSitesOfADemotedKeyLeadToTheirStubs) {
  make_x86_64();
  DemotableKey key("busy");
  const Code first = code(key);
  thrash(key);
  const Code second_code = code(key);
  EXPECT_EQ(instruction(second_code), "jmp +0x30");
  now_ns += 2 * second;
  ASSERT_TRUE(engine_->promote_calm_keys());
  EXPECT_EQ(instruction(first), "jmp +0x20");
  EXPECT_EQ(instruction(second_code), "jmp +0x20");
}

TEST_F(Demotion, AKeyThatEndsIsPromotedFirst) {
  make_x86_64();
  auto key = std::make_unique<DemotableKey>("busy");
  const Code sites = code(*key);
  thrash(*key);
  ASSERT_EQ(detail::code_views(*engine_).rx[0], 0xE9);
  const std::uint8_t* const site = sites.data();
  const std::vector<std::uint8_t> demoted(site, site + 5);
  recording_->clear();
  key.reset();
  EXPECT_NE(std::vector<std::uint8_t>(site, site + 5), demoted);  // no stub reads the key any more
  EXPECT_EQ(std::count(recording_->steps.begin(), recording_->steps.end(), "serialise"), 1);
}

TEST_F(Demotion, ADemotionWhoseSerialisationFailsIsCompletedLater) {
  make_x86_64();
  DemotableKey key("busy");
  const Code sites = code(key);
  for (unsigned i = 0; i < limit; ++i) flip(key, i % 2 == 0);
  recording_->failing_serialisations = 1;
  PatchBatch batch(*engine_);
  batch.enable(key);
  EXPECT_FALSE(batch.commit());
  EXPECT_FALSE(key.enabled());
  ASSERT_TRUE(engine_->resynchronise());
  EXPECT_TRUE(key.enabled());
  EXPECT_TRUE(key.demoted());
}

TEST_F(Demotion, OtherKeysAreReportedAlone) {
  make_x86_64();
  StaticKey key("static");
  const Code sites = published(*engine_, 64, {{&key, SiteForm::Toggle, 0, {32}}});
  for (unsigned i = 0; i <= limit; ++i) {
    EXPECT_FALSE(stats("static").thrashing) << i;
    PatchBatch batch(*engine_);
    batch.set(key, !key.enabled());
    EXPECT_EQ(committed(batch).sites_written, 1U);
  }
  EXPECT_TRUE(stats("static").thrashing);
  EXPECT_FALSE(stats("static").demoted);
  EXPECT_EQ(engine_->stats().times_thrashing, 1U);
}

// A site of 3 values: 0, 1: 32, 2: 40; its stub: 48.
TEST_F(Demotion, ASwitchIsDemotedAlsoIfItsValueStays) {
  make_x86_64();
  DemotableSwitch key("number", 3);
  const Code sites = published(*engine_, 64, {{&key, SiteForm::AlignedWord, 0, {32, 40, 48, 48, 48}}});
  // What its value 2 stands for changes each time, in a stub of its own.
  const auto set = [&](unsigned value, std::uint32_t stub) {
    PatchBatch batch(*engine_);
    batch.retarget(key, sites.data(), 2, sites.data() + stub);
    batch.set(key, value);
    recording_->clear();
    return committed(batch);
  };
  for (unsigned i = 0; i < limit; ++i) {
    EXPECT_EQ(set(2, i % 2 == 0 ? 40 : 56).sites_written, 1U) << i;
    EXPECT_FALSE(key.demoted());
  }
  EXPECT_EQ(stats("number").flips, limit);
  EXPECT_EQ(set(2, 40).sites_written, 1U);
  EXPECT_TRUE(key.demoted());
  EXPECT_EQ(key.value(), 2U);
  EXPECT_EQ(stats("number").state, 2U);
  EXPECT_EQ(instruction(sites), "jmp +0x30");
  for (const unsigned value : {2U, 0U, 1U, 1U}) {
    EXPECT_EQ(set(value, 56).sites_written, 0U);
    EXPECT_EQ(recording_->steps, Steps());
    EXPECT_EQ(key.value(), value);
  }
  EXPECT_EQ(engine_->stats().data_flips, 4U);
  set(2, 56);
  now_ns += 2 * second;
  ASSERT_TRUE(engine_->promote_calm_keys());
  EXPECT_FALSE(key.demoted());
  EXPECT_EQ(instruction(sites), "jmp +0x38") << "the value's latest stub";
}

// A site of 4 values, of which the last has a stub of its own: 0, 1: 32, 2: 40, 3: 56; their stubs: 48, 48, 48, 64.
TEST_F(Demotion, ASwitchWithStubsOfItsOwnForSomeValuesIsRewrittenForThem) {
  make_x86_64();
  DemotableSwitch key("number", 4);
  const Code sites = published(*engine_, 80, {{&key, SiteForm::AlignedWord, 0, {32, 40, 56, 48, 48, 48, 64}}});
  const auto set = [&](unsigned value) {
    PatchBatch batch(*engine_);
    batch.set(key, value);
    recording_->clear();
    return committed(batch).sites_written;
  };
  for (unsigned i = 0; i <= limit; ++i) set(1 + i % 2);
  ASSERT_TRUE(key.demoted());
  EXPECT_EQ(instruction(sites), "jmp +0x30");
  EXPECT_EQ(set(0), 0U);
  EXPECT_EQ(set(3), 1U);
  EXPECT_TRUE(key.demoted());
  EXPECT_EQ(instruction(sites), "jmp +0x40");
  EXPECT_EQ(set(3), 0U);
  EXPECT_EQ(set(2), 1U);
  EXPECT_EQ(instruction(sites), "jmp +0x30");
  EXPECT_EQ(set(1), 0U);
  EXPECT_EQ(set(3), 1U);
  now_ns += 2 * second;
  ASSERT_TRUE(engine_->promote_calm_keys());
  EXPECT_EQ(instruction(sites), "jmp +0x38");
}

TEST_F(Demotion, AValueThatASwitchHasNotIsRefused) {
  make_x86_64();
  DemotableSwitch key("number", 3);
  PatchBatch batch(*engine_);
  batch.set(key, 3);
  const auto refused = batch.commit();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::InvalidArgument);
}

TEST_F(Demotion, ASwitchThatIsSetAgainSerialisesWhereLoadsAreNotInOrder) {
  make<arch::arm64::InstructionSet>(InstructionSet::Arm64, arch::arm64::parse_ctr(0x8444C004));
  DemotableSwitch key("number", 3);
  const Code sites = published(*engine_, 64, {{&key, SiteForm::AlignedWord, 0, {32, 40, 48, 48, 48}}});
  CommitReport report;
  for (unsigned i = 0; i < limit + 2; ++i) {
    PatchBatch batch(*engine_);
    batch.retarget(key, sites.data(), 2, sites.data() + (i % 2 == 0 ? 56 : 40));
    batch.set(key, 2);
    report = committed(batch);
  }
  EXPECT_TRUE(key.demoted());
  EXPECT_EQ(report.sites_written, 0U);
  EXPECT_EQ(report.serialisations, 1U);
}

// By the real clock.
TEST(DemotedKeys, ArePromotedByTheEnginesOwnThread) {
  auto engine = Engine::create({.flip_limit = 4});
  ASSERT_TRUE(engine);
  DemotableKey key("busy");
  const Code sites = published(**engine, 64, {{&key, SiteForm::AlignedWord, 0, {32, 48, 48}}});
  const auto thrash = [&] {
    PatchBatch batch(**engine);
    for (int i = 0; i < 100'000 && !key.demoted(); ++i) {
      batch.set(key, !key.enabled());
      committed(batch);
    }
    return key.demoted();
  };
  for (int time = 1; time <= 2; ++time) {  // after the first time the thread sleeps without a limit
    ASSERT_TRUE(thrash());
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (key.demoted() && std::chrono::steady_clock::now() < patience)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_FALSE(key.demoted());
    EXPECT_EQ((*engine)->stats().promotions, static_cast<std::uint64_t>(time));
  }
}

TEST_F(Demotion, WithoutALimitNothingThrashes) {
  RecordingEngine made = RecordingEngine::x86_64();
  DemotableKey key("free");
  const Code sites = published(*made.engine, 64, {{&key, SiteForm::AlignedWord, 0, {32, 48, 48}}});
  for (unsigned i = 0; i < 1000; ++i) {
    PatchBatch batch(*made.engine);
    batch.set(key, i % 2 == 0);
    committed(batch);
  }
  EXPECT_FALSE(key.demoted());
  EXPECT_EQ(made.engine->stats().times_thrashing, 0U);
}

}  // namespace
}  // namespace shunt::test
