#include "samples/demo/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

namespace demo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Clock::time_point at(int seconds) {
  return Clock::time_point(std::chrono::seconds(seconds));
}

class Check : public testing::Test {
 protected:
  Check() {
    facts.figures = {{"lines", 10}, {"5xx", 2}};
    facts.latencies.resize(2000);
    facts.latencies[60] = 4;  // 10 requests: slow(50) is 7, slow(1000) is 3
    facts.latencies[1000] = 3;
    facts.latencies[1] = 3;
    right = {.begin = at(10), .end = at(20), .report = {{"lines", 10}, {"5xx", 2}, {"slow", 3}}, .error = ""};
  }

  LogFacts facts;
  Pass right;
  std::vector<Threshold> constant = {{{}, {}, 1000}};
};

TEST_F(Check, AcceptsARightReport) {
  EXPECT_THAT(find_errors({right, right}, facts, constant), IsEmpty());
}

TEST_F(Check, FindsAWrongFigure) {
  right.report["5xx"] = 3;
  EXPECT_THAT(find_errors({right}, facts, constant), ElementsAre("a pass reports 5xx 3 instead of 2"));
}

TEST_F(Check, FindsAMissingFigure) {
  right.report.erase("lines");
  EXPECT_THAT(find_errors({right}, facts, constant), ElementsAre("a pass reports no lines"));
  right.report.erase("slow");
  EXPECT_EQ(find_errors({right}, facts, constant).size(), 2U);
}

TEST_F(Check, PassesOnAGuestsError) {
  right.error = "trap: unreachable";
  EXPECT_THAT(find_errors({right}, facts, constant), ElementsAre("trap: unreachable"));
}

TEST_F(Check, WantsExactlyTheSlowRequestsOfAnUnchangedThreshold) {
  for (const std::uint64_t wrong : {2U, 4U}) {
    right.report["slow"] = wrong;
    EXPECT_THAT(find_errors({right}, facts, constant), ElementsAre(HasSubstr("instead of 3 to 3")));
  }
}

TEST_F(Check, AllowsWhatLiesBetweenThresholdsOnlyWhileTheyMayBeMet) {
  right.report["slow"] = 5;
  const auto flip = [this](int from, int surely_from) {
    return find_errors({right}, facts, {{{}, {}, 1000}, {at(from), at(surely_from), 50}});
  };
  EXPECT_THAT(flip(15, 16), IsEmpty());
  EXPECT_THAT(flip(9, 11), IsEmpty());  // in force some time after the pass began
  EXPECT_THAT(flip(19, 21), IsEmpty());
  EXPECT_THAT(flip(20, 21), ElementsAre(HasSubstr("instead of 3 to 3")));  // after the pass
  EXPECT_THAT(flip(8, 10), ElementsAre(HasSubstr("instead of 7 to 7")));   // before it
}

}  // namespace
}  // namespace demo
