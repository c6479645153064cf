// Redirects: sites that branch in every state, of keys, assumptions and switches with 2, 3 and 256 states.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "shunt/engine.h"
#include "tests/engine/recording.h"
#include "tests/engine/test_code.h"

namespace shunt::test {
namespace {

std::vector<std::uint32_t> ladder(std::uint32_t begin, std::uint32_t count) {
  std::vector<std::uint32_t> all;
  for (std::uint32_t i = 0; i < count; ++i) all.push_back(begin + 8 * i);
  return all;
}

class Redirects : public testing::Test {
 protected:
  Engine& engine() { return *engine_.engine; }
  Recording& recording() { return *engine_.recording; }

  RecordingEngine engine_ = RecordingEngine::x86_64();
};

TEST_F(Redirects, AKeyRedirectsBetweenTwoTargets) {
  StaticKey key("key");
  const Code code = published(engine(), 64, {{&key, SiteForm::Redirect, 4, {32, 48}}});
  const SiteInfo site = engine().sites(code)[0];
  EXPECT_EQ(site.form, SiteForm::Redirect);
  EXPECT_EQ(site.targets, (std::vector<const std::uint8_t*>{code.data() + 32, code.data() + 48}));
  EXPECT_EQ(engine().instruction_now(site), "jmp +0x1c");
  EXPECT_EQ(engine().instruction(site, 0), "jmp +0x1c");
  EXPECT_EQ(engine().instruction(site, 1), "jmp +0x2c");
  recording().clear();
  PatchBatch batch(engine());
  batch.enable(key);
  committed(batch);
  EXPECT_EQ(recording().steps, (Steps{"check rx+0x4", "store8 rw+0x8", "serialise"}));
  EXPECT_EQ(engine().instruction_now(site), "jmp +0x2c");
  batch.disable(key);
  committed(batch);
  EXPECT_EQ(engine().instruction_now(site), "jmp +0x1c");
}

// Every state, from every neighbour and at random, in both forms side by side.
TEST_F(Redirects, ASwitchBranchesToOneOfKTargets) {
  for (unsigned states : {2U, 3U, 256U}) {
    StaticSwitch choice("choice", states);
    const std::vector<std::uint32_t> targets = ladder(32, states);
    const Code code = published(engine(), 32 + 8 * states,
                                {{&choice, SiteForm::AlignedWord, 0, {targets.begin() + 1, targets.end()}},
                                 {&choice, SiteForm::Redirect, 8, targets}});
    const std::vector<SiteInfo> sites = engine().sites(code);
    ASSERT_EQ(sites.size(), 2U);
    EXPECT_EQ(sites[0].targets.size(), states - 1);
    EXPECT_EQ(sites[1].targets.size(), states);
    PatchBatch batch(engine());
    for (unsigned i = 0; i < 2 * states + 20; ++i) {
      const unsigned state = i < states ? i : (i * 97 + 1) % states;
      batch.set(choice, state);
      const CommitReport report = committed(batch);
      EXPECT_EQ(report.sites_written + report.sites_unchanged, 2U);
      for (const SiteInfo& site : sites) EXPECT_EQ(engine().instruction_now(site), engine().instruction(site, state));
      EXPECT_EQ(choice.state(), state);
    }
    batch.set(choice, 0);
    committed(batch);
    EXPECT_EQ(engine().instruction_now(sites[0]), "nop");
    EXPECT_EQ(engine().instruction_now(sites[1]), "jmp +0x18");
    batch.set(choice, states);
    EXPECT_FALSE(batch.commit());
  }
}

TEST_F(Redirects, RefusesSwitchesOfImpossibleSizes) {
  for (unsigned states : {0U, 1U, 257U}) {
    StaticSwitch impossible("impossible", states);
    PatchBatch batch(engine());
    batch.set(impossible, 0);
    const auto report = batch.commit();
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code(), ErrorCode::InvalidArgument);
  }
}

TEST_F(Redirects, NewOnesTakeTheCurrentState) {
  StaticSwitch choice("choice", 3);
  PatchBatch batch(engine());
  batch.set(choice, 2);
  committed(batch);
  const Code code = published(engine(), 64, {{&choice, SiteForm::Redirect, 0, {32, 40, 48}}});
  EXPECT_EQ(engine().instruction_now(engine().sites(code)[0]), "jmp +0x30");
}

TEST_F(Redirects, RetargetsAnyState) {
  StaticKey key("key");
  const Code code =
      published(engine(), 64, {{&key, SiteForm::Redirect, 0, {32, 40}}, {&key, SiteForm::AlignedWord, 8, {48}}});
  const SiteInfo site = engine().sites(code)[0];
  recording().clear();
  PatchBatch batch(engine());
  batch.retarget(key, code.data(), 0, code.data() + 56);
  committed(batch);
  EXPECT_EQ(recording().steps, (Steps{"check rx+0x0", "store8 rw+0x0", "serialise"}));
  EXPECT_EQ(engine().instruction_now(site), "jmp +0x38");
  batch.retarget(key, code.data(), 1, code.data() + 60);
  EXPECT_EQ(committed(batch).sites_written, 0U) << "not the state that it is in";
  batch.enable(key);
  committed(batch);
  EXPECT_EQ(engine().instruction_now(site), "jmp +0x3c");

  batch.retarget(key, code.data() + 8, 0, code.data() + 56);
  const auto falls_through = batch.commit();
  ASSERT_FALSE(falls_through);
  EXPECT_NE(falls_through.error().message().find("state 0 has no target"), std::string::npos);
}

// The displacement of a Toggle that falls through is part of its bytes: a record that says otherwise would never match
// them again.
TEST_F(Redirects, AToggleIsNotRetargeted) {
  StaticKey key("key");
  const Code code = published(engine(), 64, {{&key, SiteForm::Toggle, 0, {32}}});
  for (bool on : {false, true}) {
    PatchBatch batch(engine());
    batch.set(key, on);
    committed(batch);
    batch.retarget(key, code.data(), 1, code.data() + 40);
    const auto report = batch.commit();
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code(), ErrorCode::IllegalTransition);
    batch.set(key, !on);
    EXPECT_EQ(committed(batch).sites_written, 1U) << "nothing has changed";
  }
}

TEST_F(Redirects, AreForgottenWithTheirCode) {
  StaticKey key("key");
  Code code = published(engine(), 64, {{&key, SiteForm::Redirect, 0, {32, 40}}, {&key, SiteForm::Toggle, 8, {32}}});
  code = Code();
  recording().clear();
  PatchBatch batch(engine());
  batch.enable(key);
  committed(batch);
  EXPECT_EQ(recording().steps, Steps{});
}

TEST_F(Redirects, PublishRefusesWhatIsNone) {
  StaticKey key("key");
  const auto refusal = [&](const std::vector<TestSite>& sites) {
    const auto code = try_publish(engine(), 64, sites);
    EXPECT_FALSE(code);
    return code ? std::string() : code.error().message();
  };
  EXPECT_NE(refusal({{&key, SiteForm::Redirect, 0, {32}}}).find("1 targets, but the key has 2 states"),
            std::string::npos);
  const std::vector<TestSite> sites = {{&key, SiteForm::AlignedWord, 0, {32}}};
  const Engine::Allocation allocation = written_code(engine(), 64, sites);
  const std::uint32_t targets[] = {32, 40};
  const NewSite no_op{&key, SiteForm::Redirect, 0, targets};
  const auto code = engine().publish(allocation, {&no_op, 1});
  ASSERT_FALSE(code);
  EXPECT_NE(code.error().message().find("no patch site of form Redirect"), std::string::npos) << code.error().message();
}

TEST(Arm64Redirects, AreBranches) {
  RecordingEngine made = RecordingEngine::arm64(0xB444C004);
  StaticKey key("key");
  const Code code = published(*made.engine, 64, {{&key, SiteForm::Redirect, 4, {32, 48}}});
  made.recording->clear();
  PatchBatch batch(*made.engine);
  batch.enable(key);
  committed(batch);
  EXPECT_EQ(made.recording->steps, (Steps{"check rx+0x4", "store4 rw+0x4", "dsb", "isb", "serialise"}));
  ASSERT_EQ(made.recording->stores.size(), 1U);
  EXPECT_EQ(made.recording->stores[0].old_value, *arch::arm64::encode_b(4, 32));
  EXPECT_EQ(made.recording->stores[0].new_value, *arch::arm64::encode_b(4, 48));
}

}  // namespace
}  // namespace shunt::test
