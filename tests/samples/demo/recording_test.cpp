#include "samples/demo/recording.h"

#include <gtest/gtest.h>

namespace demo {
namespace {

TEST(Recording, DescribesWhatAFlipChanged) {
  EXPECT_EQ(describe_change({false, false, 1000}, {true, false, 1000}), "fast-scan on");
  EXPECT_EQ(describe_change({true, true, 1000}, {false, false, 50}), "fast-scan off, trace off, slow-ms 50");
  EXPECT_EQ(describe_change({}, {}), "");
}

Recording with_one_flip() {
  Recording recording;
  recording.duration = 0.5;
  recording.samples = {{0.1, 100}, {0.2, 110}, {0.3, 150}, {0.4, 200}, {0.5, 220}};
  recording.flips.push_back({.seconds = 0.25,
                             .before = {},
                             .after = {.fast_scan = true},
                             .total_ns = 1'000'000,
                             .commit_ns = 5'000,
                             .sites = 3});
  return recording;
}

TEST(Recording, MeansLeaveOutTheSamplesInWhichAFlipFell) {
  const Recording recording = with_one_flip();
  EXPECT_DOUBLE_EQ(mean_throughput(recording, false, false), 105);
  EXPECT_DOUBLE_EQ(mean_throughput(recording, true, false), 210);
  EXPECT_DOUBLE_EQ(mean_throughput(recording, true, true), 0);
}

TEST(Recording, AFlipThatIsStillUnderWayBelongsToNoMean) {
  Recording recording = with_one_flip();
  recording.flips[0].total_ns = 100'000'000;  // until 0.35
  EXPECT_DOUBLE_EQ(mean_throughput(recording, true, false), 220);
}

TEST(Recording, MediansAreOfAllFlips) {
  Recording recording;
  EXPECT_EQ(median_latencies(recording).total_ns, 0U);
  for (const std::uint64_t ns : {30U, 10U, 20U}) {
    recording.flips.push_back(
        {.seconds = 0, .before = {}, .after = {}, .total_ns = ns, .commit_ns = ns / 10, .sites = 1});
  }
  EXPECT_EQ(median_latencies(recording).total_ns, 20U);
  EXPECT_EQ(median_latencies(recording).commit_ns, 2U);
}

}  // namespace
}  // namespace demo
