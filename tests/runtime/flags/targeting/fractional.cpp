// flagd's fractional: its hash, and which bucket known texts fall into.
#include "runtime/flags/targeting/fractional.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace shunt::flags::targeting {
namespace {

TEST(Murmur3, KnownHashes) {
  EXPECT_EQ(murmur3(""), 0U);
  EXPECT_EQ(murmur3("test"), 0xba6bd213U);
  EXPECT_EQ(murmur3("Hello, world!"), 0xc0363e43U);
  EXPECT_EQ(murmur3("The quick brown fox jumps over the lazy dog"), 0x2e4ff723U);
  EXPECT_EQ(murmur3("\xff\xff\xff\xff"), 0x76293b50U);
  EXPECT_EQ(murmur3(std::string("\x21\x43\x65", 3)), 0x7e4a8634U);
}

Json bucket(const char* arguments, const char* data = "{}") {
  const Json all = Json::parse(arguments);
  return fractional(std::vector<Json>(all.begin(), all.end()), Json::parse(data));
}

// flagd's own examples.
TEST(Fractional, KnownTextsFallIntoKnownBuckets) {
  const std::string suits = R"(["clubs", 25], ["diamonds", 25], ["hearts", 25], ["spades", 25]])";
  const std::map<std::string, std::string> expected = {
      {"fractional-flagjack", "hearts"},   {"fractional-flagqueen", "spades"}, {"fractional-flagten", "clubs"},
      {"fractional-flagnine", "diamonds"}, {"fractional-flag3", "clubs"},      {"shared-seedseven", "hearts"},
      {"shared-seedeight", "diamonds"},    {"shared-seednine", "clubs"},       {"shared-seedtwo", "spades"}};
  for (const auto& [text, suit] : expected) EXPECT_EQ(bucket(("[\"" + text + "\", " + suits).c_str()), suit) << text;
  // Hashes at the ends of their range and around its middle.
  const std::map<std::string, std::string> edges = {
      {"ejOoVL", "lower"}, {"bY9fO-", "lower"}, {"SI7p-", "lower"}, {"6LvT0", "upper"}, {"ceQdGm", "upper"}};
  for (const auto& [text, half] : edges) {
    EXPECT_EQ(bucket(("[\"" + text + R"(", ["lower", 50], ["upper", 50]])").c_str()), half) << text;
  }
}

TEST(Fractional, WithoutTextItGoesByFlagKeyAndTargetingKey) {
  const char* coins = R"([["heads"], ["tails", 1]])";
  const auto flagd = [](const std::string& key) {
    return R"({"$flagd": {"flagKey": "fractional-flag-shorthand"}, "targetingKey": ")" + key + "\"}";
  };
  EXPECT_EQ(bucket(coins, flagd("jon@company.com").c_str()), "heads");
  EXPECT_EQ(bucket(coins, flagd("jane@company.com").c_str()), "tails");
  EXPECT_EQ(bucket(R"([null, ["heads"], ["tails", 1]])", flagd("jane@company.com").c_str()), "tails");
  EXPECT_EQ(bucket(coins, "{}"), nullptr);
  EXPECT_EQ(bucket(coins, R"({"targetingKey": ""})"), nullptr);
  EXPECT_EQ(bucket(coins, R"({"targetingKey": 5})"), nullptr);
  EXPECT_EQ(bucket(coins, "3"), nullptr);
}

TEST(Fractional, WhatMakesNoSenseIsNull) {
  EXPECT_EQ(bucket("[]"), nullptr);
  EXPECT_EQ(bucket(R"(["x"])"), nullptr);
  EXPECT_EQ(bucket(R"(["x", ["a", 0], ["b", 0]])"), nullptr);
  EXPECT_EQ(bucket(R"(["x", ["a", -50], ["b", 100]])"), "b");
  EXPECT_EQ(bucket(R"(["x", ["a", 0.5], ["b", 1]])"), nullptr);
  EXPECT_EQ(bucket(R"(["x", ["a", "1"]])"), nullptr);
  EXPECT_EQ(bucket(R"(["x", []])"), nullptr);
  EXPECT_EQ(bucket(R"(["x", "a"])"), nullptr);
  EXPECT_EQ(bucket(R"(["x", [{"o": 1}, 1]])"), nullptr);
  EXPECT_EQ(bucket(R"(["x", ["a", 2147483647]])"), "a");
  EXPECT_EQ(bucket(R"(["x", ["a", 2147483648]])"), nullptr);
  EXPECT_EQ(bucket(R"(["x", ["a", 2147483647], ["b", 1]])"), nullptr);
  EXPECT_EQ(bucket(R"(["x", ["a", null]])"), "a");
  EXPECT_EQ(bucket(R"(["x", [true, 1]])"), true);
}

TEST(Fractional, SharesAreAsTheWeightsSay) {
  std::vector<Json> arguments = {"", {"a", 1}, {"b", 9}, {"c", 90}};
  std::map<std::string, int> counts;
  for (int i = 0; i < 20'000; ++i) {
    arguments[0] = "user-" + std::to_string(i);
    ++counts[fractional(arguments, nullptr).get<std::string>()];
  }
  EXPECT_NEAR(counts["a"], 200, 60);  // four standard deviations
  EXPECT_NEAR(counts["b"], 1'800, 165);
  EXPECT_NEAR(counts["c"], 18'000, 175);
}

}  // namespace
}  // namespace shunt::flags::targeting
