// What publish() refuses, and that a refusal leaves nothing behind.
#include <gtest/gtest.h>

#include <string>

#include "tests/engine/recording.h"
#include "tests/engine/test_code.h"

namespace shunt::test {
namespace {

class Publish : public testing::Test {
 protected:
  Engine& engine() { return *engine_.engine; }

  // The error's message; checks its code, and that the refused code's memory is free again and its sites are unknown.
  std::string refusal(std::size_t size, const std::vector<TestSite>& sites,
                      ErrorCode code = ErrorCode::InvalidArgument) {
    const Engine::Allocation allocation = written_code(engine(), size, sites);
    return refusal_of(allocation, new_sites(sites), code);
  }
  std::string refusal_of(const Engine::Allocation& allocation, const std::vector<NewSite>& sites, ErrorCode code) {
    const auto published_code = engine().publish(allocation, sites);
    EXPECT_FALSE(published_code);
    if (published_code) return "";
    EXPECT_EQ(published_code.error().code(), code);
    auto again = engine().allocate(allocation.size);
    EXPECT_TRUE(again);
    EXPECT_EQ(again->rx, allocation.rx) << "the allocation was not released";
    engine().release(*again);
    engine_.recording->clear();
    PatchBatch batch(engine());
    batch.enable(key_);
    EXPECT_TRUE(batch.commit());
    EXPECT_EQ(engine_.recording->steps, Steps{}) << "a site of refused code is registered";
    batch.disable(key_);
    EXPECT_TRUE(batch.commit());
    return published_code.error().message();
  }
  static bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }

  RecordingEngine engine_ = RecordingEngine::x86_64();
  StaticKey key_{"the key"};
  StaticSwitch choice_{"choice", 3};
};

TEST_F(Publish, RefusesSitesThatOverlap) {
  EXPECT_TRUE(contains(refusal(64, {{&key_, SiteForm::Toggle, 8, {32}}, {&key_, SiteForm::Toggle, 12, {32}}}),
                       "overlap at offset 12"));
  EXPECT_TRUE(contains(refusal(64, {{&key_, SiteForm::AlignedWord, 12, {32}}, {&key_, SiteForm::Toggle, 20, {32}}}),
                       "overlap"));
  const Code touching =
      published(engine(), 64, {{&key_, SiteForm::Toggle, 13, {32}}, {&key_, SiteForm::Toggle, 8, {32}}});
  EXPECT_EQ(engine().sites(touching).size(), 2U) << "side by side, in any order, is fine";
}

TEST_F(Publish, RefusesSitesAndTargetsOutsideTheCode) {
  const Engine::Allocation allocation = written_code(engine(), 64, {});
  const std::uint32_t inside = 32, outside = 64;
  EXPECT_TRUE(
      contains(refusal_of(allocation, {{&key_, SiteForm::Toggle, 60, {&inside, 1}}}, ErrorCode::InvalidArgument),
               "outside the code"));
  EXPECT_TRUE(contains(refusal(64, {{&key_, SiteForm::Toggle, 0, {outside}}}), "target 64 lies outside"));
  const Code to_the_end = published(engine(), 64, {{&key_, SiteForm::Toggle, 59, {63}}});
  EXPECT_EQ(engine().sites(to_the_end).size(), 1U);
}

TEST_F(Publish, RefusesAWrongNumberOfTargets) {
  EXPECT_TRUE(contains(refusal(64, {{&key_, SiteForm::Toggle, 0, {}}}), "0 targets, but the key has 2 states"));
  EXPECT_TRUE(
      contains(refusal(64, {{&choice_, SiteForm::AlignedWord, 0, {32}}}), "1 targets, but the key has 3 states"));
}

TEST_F(Publish, RefusesAToggleWithSeveralTargets) {
  EXPECT_TRUE(contains(refusal(64, {{&choice_, SiteForm::Toggle, 0, {32, 40}}}), "use AlignedWord"));
}

TEST_F(Publish, RefusesBytesThatAreNoSite) {
  const Engine::Allocation allocation = written_code(engine(), 64, {});
  const std::uint32_t target = 32;
  EXPECT_TRUE(
      contains(refusal_of(allocation, {{&key_, SiteForm::AlignedWord, 8, {&target, 1}}}, ErrorCode::InvalidArgument),
               "no patch site of form AlignedWord at code offset 8 (key \"the key\")"));
}

TEST_F(Publish, ChecksEverySiteBeforeItRegistersOne) {
  const std::vector<TestSite> sites = {{&key_, SiteForm::Toggle, 0, {32}}, {&key_, SiteForm::Toggle, 8, {32}}};
  const Engine::Allocation allocation = written_code(engine(), 64, sites);
  allocation.staging[8] = 0x90;
  refusal_of(allocation, new_sites(sites), ErrorCode::InvalidArgument);
}

TEST_F(Publish, RefusesASiteWithoutAKey) {
  const Engine::Allocation allocation = written_code(engine(), 64, {});
  EXPECT_TRUE(
      contains(refusal_of(allocation, {{nullptr, SiteForm::Toggle, 8, {}}}, ErrorCode::InvalidArgument), "no key"));
}

TEST_F(Publish, RefusesAnotherEnginesKey) {
  RecordingEngine second = RecordingEngine::x86_64();
  StaticKey foreign("foreign");
  const Code code = published(*second.engine, 16, {{&foreign, SiteForm::Toggle, 0, {8}}});
  refusal(64, {{&key_, SiteForm::Toggle, 0, {32}}, {&foreign, SiteForm::Toggle, 8, {32}}},
          ErrorCode::KeyBelongsToOtherEngine);
}

TEST_F(Publish, RefusesAnotherEnginesMemory) {
  RecordingEngine second = RecordingEngine::x86_64();
  const Engine::Allocation foreign = written_code(*second.engine, 64, {});
  const auto code = engine().publish(foreign, {});
  ASSERT_FALSE(code);
  EXPECT_EQ(code.error().code(), ErrorCode::InvalidArgument);
  EXPECT_FALSE(engine().publish({}, {}));
}

TEST_F(Publish, AFailedSerialisationUndoesIt) {
  engine_.recording->failing_serialisations = 1;
  refusal(64, {{&key_, SiteForm::Toggle, 0, {32}}}, ErrorCode::SerialisationFailed);
}

TEST_F(Publish, TakesSitesInEitherStateAndWithAnyDisplacement) {
  const std::vector<TestSite> sites = {{&key_, SiteForm::Toggle, 0, {32}}, {&key_, SiteForm::AlignedWord, 12, {32}}};
  const Engine::Allocation allocation = written_code(engine(), 64, sites);
  allocation.staging[0] = 0xE9;
  allocation.staging[3] = 0x55;
  allocation.staging[16] = 0xE9;
  const auto code = engine().publish(allocation, new_sites(sites));
  ASSERT_TRUE(code) << code.error().message();
  EXPECT_EQ(engine().instruction_now(engine().sites(*code)[0]), "test eax, 0x1b");
  EXPECT_EQ(engine().instruction_now(engine().sites(*code)[1]), "nop");
}

TEST_F(Publish, EndedCodeIsForgottenAndTraps) {
  Code code = published(engine(), 64, {{&key_, SiteForm::Toggle, 0, {32}}});
  Code other = published(engine(), 64, {{&key_, SiteForm::Toggle, 0, {32}}});
  const std::uint8_t* const rx = code.data();
  code = Code();
  EXPECT_EQ(rx[0], 0xCC);
  EXPECT_EQ(rx[63], 0xCC);
  engine_.recording->clear();
  PatchBatch batch(engine());
  batch.enable(key_);
  EXPECT_EQ(batch.commit()->sites_written, 1U);
  other = Code();
  batch.disable(key_);
  EXPECT_EQ(batch.commit()->mechanism, "none");
  EXPECT_FALSE(key_.enabled());
}

TEST_F(Publish, AKeyThatEndsLeavesItsSitesAsTheyAre) {
  Code code;
  {
    StaticKey passing("passing");
    code = published(engine(), 64, {{&passing, SiteForm::Toggle, 0, {32}}, {&key_, SiteForm::Toggle, 8, {32}}});
    PatchBatch batch(engine());
    batch.enable(passing);
    EXPECT_EQ(batch.commit()->sites_written, 1U);
  }
  EXPECT_EQ(code.data()[0], 0xE9) << "settled in its last state";
  ASSERT_EQ(engine().sites(code).size(), 1U);
  EXPECT_EQ(engine().sites(code)[0].key, &key_);
  PatchBatch batch(engine());
  batch.enable(key_);
  EXPECT_EQ(batch.commit()->sites_written, 1U);
  code = Code();  // also drops what is left of the ended key
  batch.disable(key_);
  EXPECT_EQ(batch.commit()->mechanism, "none");
}

}  // namespace
}  // namespace shunt::test
