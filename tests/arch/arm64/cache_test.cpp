#include "arch/arm64/cache.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "arch/x86_64/cache.h"

namespace shunt::arch::arm64 {
namespace {

TEST(Arm64Cache, CtrOfRealCpus) {
  struct Case {
    const char* cpu;
    std::uint64_t ctr;
    CacheTraits traits;  // data line, instruction line, clean data, invalidate instruction
  };
  const std::array cases = {
      Case{"Cortex-A35", 0x84448004, {64, 64, true, true}},
      Case{"Cortex-A57", 0x8444C004, {64, 64, true, true}},
      Case{"A64FX", 0x86668006, {256, 256, true, true}},
      Case{"Neoverse V1", 0xB444C004, {64, 64, false, false}},
      Case{"Neoverse N1 with IDC", 0x9444C004, {64, 64, false, true}},
      Case{"Neoverse N1 as Linux shows it where erratum 1542419 is worked around", 0x9444C00A, {64, 4096, false, true}},
      Case{"32-byte instruction lines", 0x84448003, {64, 32, true, true}},
      Case{"DIC alone", 0xA444C004, {64, 64, true, false}},
      Case{"upper half set", 0x00000004'8444C004, {64, 64, true, true}},
  };
  for (const Case& c : cases) EXPECT_EQ(parse_ctr(c.ctr), c.traits) << c.cpu;
}

struct Recorder {
  std::vector<std::string> steps;
  void clean_data_line(std::uint32_t region, std::uint32_t at) { add("clean ", region, at); }
  void invalidate_instruction_line(std::uint32_t region, std::uint32_t at) { add("invalidate ", region, at); }
  void data_barrier() { steps.emplace_back("dsb"); }
  void instruction_barrier() { steps.emplace_back("isb"); }

 private:
  void add(const char* what, std::uint32_t region, std::uint32_t at) {
    steps.push_back(what + (region == 0 ? "" : std::to_string(region) + ":") + std::to_string(at));
  }
};

std::vector<std::string> steps(const CacheTraits& traits, const std::vector<CodeRange>& ranges) {
  Recorder recorder;
  maintain(traits, ranges, recorder);
  return recorder.steps;
}

using Steps = std::vector<std::string>;

TEST(Arm64Cache, FullSequence) {
  EXPECT_EQ(steps(parse_ctr(0x8444C004), {{4, 4}, {128, 4}}),
            (Steps{"clean 0", "clean 128", "dsb", "invalidate 0", "invalidate 128", "dsb", "isb"}));
}

TEST(Arm64Cache, IdcSavesTheClean) {
  EXPECT_EQ(steps(parse_ctr(0x9444C004), {{4, 4}}), (Steps{"dsb", "invalidate 0", "dsb", "isb"}));
}

TEST(Arm64Cache, DicSavesTheInvalidationAndItsBarrier) {
  EXPECT_EQ(steps(parse_ctr(0xA444C004), {{4, 4}}), (Steps{"clean 0", "dsb", "isb"}));
}

TEST(Arm64Cache, BarriersStayWithBoth) {
  EXPECT_EQ(steps(parse_ctr(0xB444C004), {{4, 4}}), (Steps{"dsb", "isb"}));
}

TEST(Arm64Cache, ALineThatSeveralRangesTouchIsVisitedOnce) {
  const CacheTraits traits{64, 32, true, true};
  EXPECT_EQ(steps(traits, {{0, 4}, {8, 4}, {60, 8}, {64, 4}, {96, 4}}),
            (Steps{"clean 0", "clean 64", "dsb", "invalidate 0", "invalidate 32", "invalidate 64", "invalidate 96",
                   "dsb", "isb"}));
}

TEST(Arm64Cache, ARangeVisitsEveryLineThatItTouches) {
  const CacheTraits traits{64, 64, true, false};
  EXPECT_EQ(steps(traits, {{63, 66}}), (Steps{"clean 0", "clean 64", "clean 128", "dsb", "isb"}));
  EXPECT_EQ(steps(traits, {{64, 64}}), (Steps{"clean 64", "dsb", "isb"}));
  EXPECT_EQ(steps(traits, {{10, 0}}), (Steps{"dsb", "isb"}));
  EXPECT_EQ(steps(traits, {{0xFFFF'FFF0, 16}}), (Steps{"clean 4294967232", "dsb", "isb"}));
}

TEST(Arm64Cache, SeveralRegionsShareTheBarriers) {
  const CacheTraits traits{64, 64, true, true};
  EXPECT_EQ(steps(traits, {{64, 4, 0}, {0, 4, 1}, {4, 4, 1}, {0, 4, 2}}),
            (Steps{"clean 64", "clean 1:0", "clean 2:0", "dsb", "invalidate 64", "invalidate 1:0", "invalidate 2:0",
                   "dsb", "isb"}));
}

TEST(X86Cache, NeedsNoMaintenance) {
  EXPECT_FALSE(x86_64::needs_maintenance(x86_64::cache_traits));
  Recorder recorder;
  const CodeRange range{0, 4096};
  x86_64::maintain(x86_64::cache_traits, {&range, 1}, recorder);
  EXPECT_TRUE(recorder.steps.empty());
}

}  // namespace
}  // namespace shunt::arch::arm64
