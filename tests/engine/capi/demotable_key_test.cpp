// Keys that are flipped too often, as C uses them.
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <thread>

#include "shunt/shunt.h"

namespace shunt {
namespace {

class CApiDemotableKey : public testing::Test {
 protected:
  void SetUp() override {
    shunt_engine_options options{};
    options.size = sizeof options;
    options.flip_limit = limit;
    ASSERT_EQ(shunt_engine_create(&options, &engine), SHUNT_OK) << shunt_error_message();
    ASSERT_EQ(shunt_demotable_key_create("busy", &key), SHUNT_OK);
    shunt_allocation memory{};
    ASSERT_EQ(shunt_allocate(engine, 256, &memory), SHUNT_OK);
    const shunt_site_bytes site = shunt_idle_site(engine, SHUNT_ALIGNED_WORD, 0);
    std::memcpy(memory.staging, site.bytes, site.length);
    const shunt_new_site sites{key, SHUNT_ALIGNED_WORD, 0, targets.data(), targets.size()};
    ASSERT_EQ(shunt_publish(engine, &memory, &sites, 1, &code), SHUNT_OK) << shunt_error_message();
  }
  void TearDown() override {
    shunt_code_destroy(code);
    shunt_key_destroy(key);
    shunt_engine_destroy(engine);
  }
  shunt_commit_report set(unsigned state) {
    shunt_commit_report report{};
    report.size = sizeof report;
    EXPECT_EQ(shunt_set(engine, key, state, &report), SHUNT_OK) << shunt_error_message();
    return report;
  }

  static constexpr std::uint32_t limit = 4;
  static constexpr std::array<std::uint32_t, 3> targets = {64, 128, 128};  // on; the stub; the stub
  shunt_engine* engine = nullptr;
  shunt_key* key = nullptr;
  shunt_code* code = nullptr;
};

TEST_F(CApiDemotableKey, IsDemotedPromotedAndCounted) {
  const std::uint32_t* const word = shunt_demotable_key_word(key);
  ASSERT_NE(word, nullptr);
  for (int i = 0; i < 100'000 && shunt_key_demoted(key) == 0; ++i) set(i % 2 == 0 ? 1 : 0);
  ASSERT_EQ(shunt_key_demoted(key), 1);
  for (const unsigned state : {0U, 1U, 0U, 1U}) {
    const std::uint64_t written = set(state).sites_written;
    EXPECT_EQ(shunt_key_state(key), state);
    EXPECT_EQ(*word, state);
    if (shunt_key_demoted(key) == 1) {
      EXPECT_EQ(written, 0U);
    }
  }
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (shunt_key_demoted(key) == 1 && std::chrono::steady_clock::now() < patience) {
    EXPECT_EQ(shunt_promote_calm_keys(engine), SHUNT_OK);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(shunt_key_demoted(key), 0);
  EXPECT_EQ(shunt_key_state(key), 1U);
  shunt_stats stats{};
  stats.size = sizeof stats;
  ASSERT_EQ(shunt_engine_stats(engine, &stats), SHUNT_OK);
  EXPECT_EQ(stats.demotions, stats.promotions);
  EXPECT_GE(stats.demotions, 1U);
  EXPECT_GE(stats.times_thrashing, 1U);
  EXPECT_GE(stats.data_flips, 1U);
}

TEST_F(CApiDemotableKey, OthersAreNone) {
  EXPECT_EQ(shunt_set(engine, key, 2, nullptr), SHUNT_INVALID_ARGUMENT) << "a demoted state is nobody's to set";
  EXPECT_EQ(shunt_demotable_key_create(nullptr, &key), SHUNT_INVALID_ARGUMENT);
  EXPECT_EQ(shunt_promote_calm_keys(nullptr), SHUNT_INVALID_ARGUMENT);
  shunt_key* plain = nullptr;
  ASSERT_EQ(shunt_key_create("plain", 2, &plain), SHUNT_OK);
  EXPECT_EQ(shunt_demotable_key_word(plain), nullptr);
  EXPECT_EQ(shunt_key_demoted(plain), 0);
  EXPECT_EQ(shunt_key_demoted(nullptr), 0);
  shunt_key_destroy(plain);
}

}  // namespace
}  // namespace shunt
