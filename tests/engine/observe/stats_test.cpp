// Engine::stats() and key_stats().
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "tests/engine/recording.h"
#include "tests/engine/test_code.h"

namespace shunt::test {
namespace {

TEST(Stats, CountWhatWasDone) {
  RecordingEngine made = RecordingEngine::x86_64();
  Engine& engine = *made.engine;
  StaticKey first{"first"};
  StaticKey second{"second"};
  const EngineStats before = engine.stats();
  const Code code = published(engine, 64,
                              {{&first, SiteForm::Toggle, 0, {32}},
                               {&first, SiteForm::Toggle, 8, {32}},
                               {&second, SiteForm::AlignedWord, 16, {32}}});
  PatchBatch batch(engine);
  batch.enable(first);
  const CommitReport one = committed(batch);
  batch.enable(first);  // nothing to do
  committed(batch);
  batch.disable(first);
  batch.enable(second);
  const CommitReport two = committed(batch);

  const EngineStats stats = engine.stats();
  EXPECT_EQ(stats.commits - before.commits, 2U);
  EXPECT_EQ(stats.no_op_commits - before.no_op_commits, 1U);
  EXPECT_EQ(stats.sites_written - before.sites_written, 5U);
  EXPECT_EQ(stats.publications - before.publications, 1U);
  EXPECT_EQ(stats.check_ns, one.check_ns + two.check_ns);
  EXPECT_EQ(stats.write_ns, one.write_ns + two.write_ns);
  EXPECT_EQ(stats.maintenance_ns, one.maintenance_ns + two.maintenance_ns);
  EXPECT_EQ(stats.serialise_ns, one.serialise_ns + two.serialise_ns);
  ASSERT_EQ(stats.serialisations.size(), 1U);
  EXPECT_EQ(stats.serialisations[0].mechanism, "recording");
  EXPECT_EQ(stats.serialisations[0].count, 3U);  // two commits, one publication
  EXPECT_TRUE(stats.failures.empty());
  EXPECT_EQ(stats.keys, 2U);
  EXPECT_EQ(stats.sites, 3U);
  EXPECT_EQ(stats.code_bytes_used - before.code_bytes_used, 64U);
  EXPECT_EQ(stats.code_bytes_used + stats.code_bytes_free, reservation);

  const std::vector<KeyStats> keys = engine.key_stats();
  ASSERT_EQ(keys.size(), 2U);
  EXPECT_EQ(keys[0].name, "first");
  EXPECT_EQ(keys[0].flips, 2U);
  EXPECT_EQ(keys[0].sites, 2U);
  EXPECT_EQ(keys[0].state, 0U);
  EXPECT_EQ(keys[1].name, "second");
  EXPECT_EQ(keys[1].flips, 1U);
  EXPECT_EQ(keys[1].state, 1U);
}

TEST(Stats, CountFailuresByTheirCode) {
  RecordingEngine made = RecordingEngine::x86_64();
  StaticKey key{"key"};
  const Code code = published(*made.engine, 64, {{&key, SiteForm::Toggle, 0, {32}}});
  StaticSwitch many{"many", 3};
  EXPECT_FALSE(try_publish(*made.engine, 64, {{&many, SiteForm::Toggle, 0, {32, 40}}}));
  made.recording->failing_serialisations = 1;
  PatchBatch batch(*made.engine);
  batch.enable(key);
  EXPECT_FALSE(batch.commit());

  const EngineStats stats = made.engine->stats();
  ASSERT_EQ(stats.failures.size(), 2U);
  EXPECT_EQ(stats.failures[0].code, ErrorCode::InvalidArgument);
  EXPECT_EQ(stats.failures[0].count, 1U);
  EXPECT_EQ(stats.failures[1].code, ErrorCode::SerialisationFailed);
  EXPECT_EQ(stats.failures[1].count, 1U);
  EXPECT_EQ(stats.serialisations.at(0).count, 1U);  // the publication's; the one that failed does not count
}

TEST(Stats, ManyThreadsLoseNoCount) {
  RecordingEngine made = RecordingEngine::x86_64();
  StaticKey key{"key"};
  const Code code = published(*made.engine, 64, {{&key, SiteForm::Toggle, 0, {32}}});
  constexpr int threads = 4;
  constexpr int rounds = 1000;
  {
    std::vector<std::jthread> all;
    for (int i = 0; i < threads; ++i) {
      all.emplace_back([&] {
        PatchBatch batch(*made.engine);
        for (int round = 0; round < rounds; ++round) {
          batch.disable(key);
          committed(batch);
        }
      });
    }
  }
  EXPECT_EQ(made.engine->stats().no_op_commits, std::uint64_t{threads} * rounds);
}

}  // namespace
}  // namespace shunt::test
