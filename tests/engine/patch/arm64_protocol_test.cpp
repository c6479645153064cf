// The protocol on arm64, as a list of steps, on the recording engine. tests/engine/CMakeLists.txt builds this file a
// second time, with deliberate faults: for each step there is a mutant that one of these tests must catch.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "shunt/static_call.h"
#include "tests/engine/recording.h"
#include "tests/engine/test_code.h"

namespace shunt::test {
namespace {

constexpr std::uint64_t ctr_no_idc_no_dic = 0x8444C004;  // Cortex-A57
constexpr std::uint64_t ctr_idc = 0x9444C004;
constexpr std::uint64_t ctr_idc_dic = 0xB444C004;  // Neoverse V1

class Arm64Protocol : public testing::Test {
 protected:
  // Flips two sites on one line and one on another, and gives the steps after the checks and the stores.
  static Steps maintenance_of_a_flip(std::uint64_t ctr) {
    RecordingEngine made = RecordingEngine::arm64(ctr);
    Engine& engine = *made.engine;
    StaticKey a("a");
    StaticKey b("b");
    const Code code = published(engine, 256,
                                {{&a, SiteForm::AlignedWord, 192, {64}},
                                 {&a, SiteForm::AlignedWord, 4, {64}},
                                 {&b, SiteForm::AlignedWord, 8, {0}}});
    made.recording->clear();
    PatchBatch batch(engine);
    batch.enable(a);
    batch.enable(b);
    committed(batch);
    Steps& steps = made.recording->steps;
    const Steps expected = {"check rx+0x4",  "check rx+0xc0",  "check rx+0x8",
                            "store4 rw+0x4", "store4 rw+0xc0", "store4 rw+0x8"};
    EXPECT_EQ(Steps(steps.begin(), steps.begin() + std::min<std::ptrdiff_t>(6, std::ssize(steps))), expected);
    for (const Store& store : made.recording->stores) {
      EXPECT_TRUE(arch::arm64::legal_words(static_cast<std::uint32_t>(store.old_value),
                                           static_cast<std::uint32_t>(store.new_value)));
    }
    return steps.size() <= 6 ? Steps{} : Steps(steps.begin() + 6, steps.end());
  }

  // Of so many pieces of code, two on each line, that are retired together, the last one first.
  static Steps end_of(std::size_t pieces, std::uint64_t ctr) {
    RecordingEngine made = RecordingEngine::arm64(ctr);
    std::vector<Code> codes;
    for (std::size_t i = 0; i < pieces; ++i) codes.push_back(published(*made.engine, 32, {}));
    std::reverse(codes.begin(), codes.end());
    made.recording->clear();
    EXPECT_TRUE(made.engine->retire(codes));
    EXPECT_TRUE(made.engine->await_retired());
    return made.recording->steps;
  }
  static Steps each_line(const std::string& step, std::size_t lines) {
    Steps steps;
    char line[32];
    for (std::size_t i = 0; i < lines; ++i) {
      std::snprintf(line, sizeof line, "0x%zx", i * 64);
      steps.push_back(step + line);
    }
    return steps;
  }
};

TEST_F(Arm64Protocol, FullMaintenanceOncePerLine) {
  EXPECT_EQ(maintenance_of_a_flip(ctr_no_idc_no_dic),
            (Steps{"clean rw+0x0", "clean rw+0xc0", "dsb", "invalidate rx+0x0", "invalidate rx+0xc0", "dsb", "isb",
                   "serialise"}));
}

TEST_F(Arm64Protocol, IdcNeedsNoClean) {
  EXPECT_EQ(maintenance_of_a_flip(ctr_idc),
            (Steps{"dsb", "invalidate rx+0x0", "invalidate rx+0xc0", "dsb", "isb", "serialise"}));
}

TEST_F(Arm64Protocol, DicNeedsNoInvalidation) {
  EXPECT_EQ(maintenance_of_a_flip(ctr_idc_dic), (Steps{"dsb", "isb", "serialise"}));
}

TEST_F(Arm64Protocol, PublishMaintainsEveryLineOfTheCode) {
  RecordingEngine made = RecordingEngine::arm64(ctr_no_idc_no_dic);
  StaticKey key("key");
  made.recording->clear();
  const Code code = published(*made.engine, 132, {{&key, SiteForm::AlignedWord, 0, {8}}});
  EXPECT_EQ(made.recording->steps, (Steps{"clean rw+0x0", "clean rw+0x40", "clean rw+0x80", "dsb", "invalidate rx+0x0",
                                          "invalidate rx+0x40", "invalidate rx+0x80", "dsb", "isb", "serialise"}));
}

TEST_F(Arm64Protocol, TheTrapsOfCodesThatAreRetiredTogetherAreMaintainedOnce) {
  for (const std::size_t pieces : {1, 2, 10, 1000}) {
    const std::size_t lines = (pieces + 1) / 2;
    Steps expected = each_line("clean rw+", lines);
    expected.emplace_back("dsb");
    for (std::string& step : each_line("invalidate rx+", lines)) expected.push_back(std::move(step));
    expected.insert(expected.end(), {"dsb", "isb"});
    EXPECT_EQ(end_of(pieces, ctr_no_idc_no_dic), expected);
    EXPECT_EQ(end_of(pieces, ctr_idc_dic), (Steps{"dsb", "isb"}));
  }
}

TEST_F(Arm64Protocol, TheTrapsOfATrampolineAreMaintained) {
  RecordingEngine made = RecordingEngine::arm64(ctr_no_idc_no_dic);
  {
    StaticCall<void()> call("call", [] {});
    PatchBatch batch(*made.engine);
    batch.clear(call);
    committed(batch);
    made.recording->clear();
  }
  EXPECT_EQ(made.recording->steps, (Steps{"clean rw+0x0", "dsb", "invalidate rx+0x0", "dsb", "isb"}));
}

TEST_F(Arm64Protocol, RetargetIsBranchToBranch) {
  RecordingEngine made = RecordingEngine::arm64(ctr_idc_dic);
  StaticSwitch choice("choice", 3);
  const Code code = published(*made.engine, 64, {{&choice, SiteForm::AlignedWord, 0, {32, 48}}});
  PatchBatch batch(*made.engine);
  batch.set(choice, 1);
  committed(batch);
  made.recording->clear();
  batch.retarget(choice, code.data(), 1, code.data() + 60);
  committed(batch);
  EXPECT_EQ(made.recording->steps, (Steps{"check rx+0x0", "store4 rw+0x0", "dsb", "isb", "serialise"}));
  ASSERT_EQ(made.recording->stores.size(), 1U);
  EXPECT_EQ(made.recording->stores[0].new_value, *arch::arm64::encode_b(0, 60));
}

TEST_F(Arm64Protocol, TogglesAndMisalignedSitesAreRefused) {
  RecordingEngine made = RecordingEngine::arm64(ctr_idc_dic);
  StaticKey key("key");
  for (auto [form, offset] : {std::pair{SiteForm::Toggle, 0U}, {SiteForm::AlignedWord, 2U}}) {
    const auto code = try_publish(*made.engine, 64, {{&key, form, offset, {32}}});
    ASSERT_FALSE(code);
    EXPECT_EQ(code.error().code(), ErrorCode::InvalidArgument);
  }
  const auto misaligned_target = try_publish(*made.engine, 64, {{&key, SiteForm::AlignedWord, 0, {33}}});
  ASSERT_FALSE(misaligned_target);
  EXPECT_EQ(misaligned_target.error().code(), ErrorCode::TargetOutOfRange);
}

TEST(Arm64Strict, ChangesNothing) {
  EngineOptions options;
  options.cross_modification = CrossModification::Strict;
  RecordingEngine made = RecordingEngine::make<arch::arm64::InstructionSet>(
      InstructionSet::Arm64, arch::arm64::parse_ctr(0x8444C004), options);
  StaticKey key("key");
  const Code code = published(*made.engine, 64, {{&key, SiteForm::AlignedWord, 8, {32}}});
  PatchBatch batch(*made.engine);
  batch.enable(key);
  EXPECT_EQ(committed(batch).serialisations, 1U);
  const auto unaligned = try_publish(*made.engine, 64, {{&key, SiteForm::Unaligned, 8, {32}}});
  ASSERT_FALSE(unaligned);
  EXPECT_NE(unaligned.error().message().find("no such form"), std::string::npos);
}

}  // namespace
}  // namespace shunt::test
