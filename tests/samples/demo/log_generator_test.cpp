#include "samples/demo/log_generator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <numeric>
#include <string>
#include <system_error>

namespace demo {
namespace {

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class LogGenerator : public testing::Test {
 protected:
  ~LogGenerator() override { std::remove(path.c_str()); }
  std::string path = testing::TempDir() + "demo_log_" +
                     std::to_string(testing::UnitTest::GetInstance()->random_seed()) +
                     testing::UnitTest::GetInstance()->current_test_info()->name();
};

TEST_F(LogGenerator, KnowsWhatItWrote) {
  const LogFacts facts = generate_log(path, 300'000, 7);
  const std::string log = contents(path);
  EXPECT_EQ(facts.figures.at("bytes"), log.size());
  EXPECT_GE(log.size(), 300'000U);
  EXPECT_EQ(log.back(), '\n');
  const auto lines = static_cast<std::uint64_t>(std::count(log.begin(), log.end(), '\n'));
  EXPECT_EQ(facts.figures.at("lines"), lines);
  EXPECT_EQ(std::accumulate(facts.latencies.begin(), facts.latencies.end(), std::uint64_t{0}), lines);

  std::uint64_t not_found = 0, checkouts = 0, crawlers = 0;
  std::ifstream again(path);
  for (std::string line; std::getline(again, line);) {
    not_found += line.find("\" 4") != std::string::npos ? 1 : 0;
    checkouts += line.find("\"POST /api/checkout/") != std::string::npos ? 1 : 0;
    crawlers += line.find("(compatible;") != std::string::npos ? 1 : 0;
  }
  EXPECT_EQ(facts.figures.at("4xx"), not_found);
  EXPECT_EQ(facts.figures.at("route /api/checkout"), checkouts);
  EXPECT_EQ(facts.figures.at("crawlers"), crawlers);
  EXPECT_GT(crawlers, 0U);
}

TEST_F(LogGenerator, WritesTheSameForTheSameSeed) {
  generate_log(path, 100'000, 1);
  const std::string first = contents(path);
  generate_log(path, 100'000, 1);
  EXPECT_EQ(contents(path), first);
  generate_log(path, 100'000, 2);
  EXPECT_NE(contents(path), first);
}

TEST_F(LogGenerator, CountsSlowRequestsFromTheThresholdOn) {
  LogFacts facts;
  facts.latencies = {5, 4, 3, 2};
  EXPECT_EQ(facts.slow(0), 0U);
  EXPECT_EQ(facts.slow(1), 9U);
  EXPECT_EQ(facts.slow(3), 2U);
  EXPECT_EQ(facts.slow(4), 0U);
}

TEST_F(LogGenerator, NamesAPathThatItCannotWrite) {
  try {
    generate_log("/nowhere/at/all", 1, 1);
    FAIL() << "nothing was thrown";
  } catch (const std::system_error& error) {
    EXPECT_NE(std::string(error.what()).find("/nowhere/at/all"), std::string::npos);
  }
}

}  // namespace
}  // namespace demo
