// The flip log: what it holds, that it is a commit like any other, and what is left of it while it is off.
#include <gtest/gtest.h>

#include <cstring>
#include <string_view>
#include <vector>

#include "tests/engine/recording.h"
#include "tests/engine/test_code.h"

namespace shunt::test {
namespace {

std::unique_ptr<Engine> host_engine() {
  auto engine = Engine::create({.code_reservation = reservation});
  EXPECT_TRUE(engine);
  return std::move(*engine);
}

std::string_view key_of(const FlipRecord& record) {
  return record.key.data();
}

std::vector<std::uint8_t> bytes(const std::array<std::uint8_t, 15>& from, std::uint8_t length) {
  return {from.begin(), from.begin() + length};
}

std::vector<std::uint8_t> bytes(const std::uint8_t* from, std::uint8_t length) {
  return {from, from + length};
}

void flip(Engine& engine, StaticKey& key, bool on) {
  PatchBatch batch(engine);
  batch.set(key, on);
  committed(batch);
}

TEST(FlipLog, HoldsEachSiteWithItsBytesBeforeAndAfter) {
  const auto engine = host_engine();
  StaticKey key{"speed"};
  StaticKey other{"other"};
  const Code code = published(*engine, 64,
                              {{&key, SiteForm::AlignedWord, 0, {32}},
                               {&key, SiteForm::AlignedWord, 16, {48}},
                               {&other, SiteForm::AlignedWord, 24, {32}}});
  ASSERT_TRUE(engine->start_flip_log(16));
  const std::uint64_t already = engine->flip_log().records.size();
  const unsigned length = engine->sites(code)[0].length;
  const std::vector<std::uint8_t> off = bytes(code.data(), length);
  PatchBatch batch(*engine);
  batch.enable(key);
  const CommitReport report = committed(batch);
  const std::vector<std::uint8_t> on = bytes(code.data(), length);

  const FlipLog log = engine->flip_log();
  ASSERT_EQ(log.records.size() - already, 2U);
  EXPECT_EQ(log.dropped, 0U);
  const FlipRecord& first = log.records[already];
  const FlipRecord& second = log.records[already + 1];
  EXPECT_EQ(key_of(first), "speed");
  EXPECT_EQ(first.site, code.data());
  EXPECT_EQ(first.length, length);
  EXPECT_EQ(bytes(first.before, first.length), off);
  EXPECT_EQ(bytes(first.after, first.length), on);
  EXPECT_NE(off, on);
  EXPECT_EQ(first.generation, report.generation);
  EXPECT_EQ(second.site, code.data() + 16);
  EXPECT_EQ(second.number, first.number + 1);
  EXPECT_EQ(second.generation, report.generation);
  EXPECT_EQ(second.time_ns, first.time_ns);  // one batch
}

TEST(FlipLog, HoldsRetargetedSites) {
  const auto engine = host_engine();
  StaticSwitch key{"way", 2};
  const Code code = published(*engine, 64, {{&key, SiteForm::AlignedWord, 0, {32}}});
  PatchBatch batch(*engine);
  batch.set(key, 1);
  committed(batch);
  ASSERT_TRUE(engine->start_flip_log(16));
  batch.retarget(key, code.data(), 1, code.data() + 48);
  committed(batch);
  const FlipLog log = engine->flip_log();
  ASSERT_FALSE(log.records.empty());
  EXPECT_EQ(key_of(log.records.back()), "way");
  EXPECT_EQ(log.records.back().site, code.data());
  EXPECT_NE(log.records.back().before, log.records.back().after);
}

TEST(FlipLog, KeepsTheLatestInOrderAndCountsTheRest) {
  const auto engine = host_engine();
  StaticKey key{"a name that is longer than the forty characters of a record"};
  const Code code = published(*engine, 64, {{&key, SiteForm::AlignedWord, 0, {32}}});
  ASSERT_TRUE(engine->start_flip_log(4));
  const std::uint64_t before = engine->flip_log().records.size();
  for (int i = 0; i < 10; ++i) flip(*engine, key, i % 2 == 0);
  const FlipLog log = engine->flip_log();
  ASSERT_EQ(log.records.size(), 4U);
  EXPECT_EQ(log.dropped, before + 10 - 4);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(log.records[i].number, log.dropped + i);
  for (std::size_t i = 1; i < 4; ++i) {
    EXPECT_EQ(log.records[i].generation, log.records[i - 1].generation + 1);
    EXPECT_GE(log.records[i].time_ns, log.records[i - 1].time_ns);
    EXPECT_EQ(log.records[i].before, log.records[i - 1].after);
  }
  EXPECT_EQ(key_of(log.records[0]), "a name that is longer than the forty ch");
}

TEST(FlipLog, ABatchLargerThanTheRingKeepsItsEnd) {
  const auto engine = host_engine();
  StaticKey key{"wide"};
  std::vector<TestSite> sites;
  for (std::uint32_t i = 0; i < 10; ++i) sites.push_back({&key, SiteForm::AlignedWord, 8 * i, {120}});
  const Code code = published(*engine, 128, sites);
  ASSERT_TRUE(engine->start_flip_log(3));
  flip(*engine, key, true);
  const FlipLog log = engine->flip_log();
  ASSERT_EQ(log.records.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(log.records[i].site, code.data() + 8 * (7 + i));
    EXPECT_EQ(bytes(log.records[i].after, log.records[i].length), bytes(log.records[i].site, log.records[i].length));
  }
}

TEST(FlipLog, StartingAndStoppingAreCommits) {
  const auto engine = host_engine();
  StaticKey key{"key"};
  const Code code = published(*engine, 64, {{&key, SiteForm::AlignedWord, 0, {32}}});
  const EngineStats before = engine->stats();
  ASSERT_TRUE(engine->start_flip_log());
  EXPECT_EQ(engine->stats().commits, before.commits + 1);
  EXPECT_EQ(engine->stats().sites_written, before.sites_written + 1);  // of the log's own key
  ASSERT_TRUE(engine->start_flip_log());                               // empties it, and is on already
  EXPECT_EQ(engine->stats().commits, before.commits + 1);
  flip(*engine, key, true);
  ASSERT_TRUE(engine->stop_flip_log());
  EXPECT_EQ(engine->stats().commits, before.commits + 3);
  flip(*engine, key, false);
  ASSERT_TRUE(engine->stop_flip_log());
  const FlipLog log = engine->flip_log();
  ASSERT_EQ(log.records.size(), 2U);
  EXPECT_EQ(key_of(log.records[0]), "key");
  EXPECT_EQ(key_of(log.records[1]), "shunt.commit_watch");  // the last that it saw is its own end
}

TEST(FlipLog, AnEngineOfAnotherInstructionSetSaysSo) {
  RecordingEngine made = RecordingEngine::arm64(0x8444C004);
  RecordingEngine x86 = RecordingEngine::x86_64();
  const InstructionSet host = host_engine()->instruction_set();
  Engine& foreign = host == InstructionSet::X86_64 ? *made.engine : *x86.engine;
  const Status status = foreign.start_flip_log();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::Unsupported);
}

TEST(FlipLog, ARingOfNothingIsRefused) {
  const Status status = host_engine()->start_flip_log(0);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::InvalidArgument);
}

}  // namespace
}  // namespace shunt::test
