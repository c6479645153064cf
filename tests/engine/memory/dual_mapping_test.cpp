#include "engine/memory/dual_mapping.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>

namespace shunt::detail {
namespace {

// The permissions of the mapping that holds `address`, as /proc shows them: "r-xs".
std::string permissions(const void* address) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin = 0, end = 0;
    char flags[8] = {};
    if (std::sscanf(line.c_str(), "%lx-%lx %7s", &begin, &end, flags) != 3) continue;
    const auto at = reinterpret_cast<unsigned long>(address);
    if (begin <= at && at < end) return flags;
  }
  return "none";
}

class DualMappingTest : public testing::TestWithParam<Backing> {};

TEST_P(DualMappingTest, BothMappingsShowTheSameBytes) {
  auto mapping = DualMapping::create(1 << 20, GetParam());
  ASSERT_TRUE(mapping) << mapping.error().message();
  EXPECT_EQ(mapping->backing(), GetParam());
  EXPECT_EQ(mapping->size(), 1U << 20);
  ASSERT_TRUE(mapping->expose(1 << 20));
  for (std::size_t at : {std::size_t{0}, std::size_t{4095}, std::size_t{65536}, mapping->size() - 1}) {
    mapping->rw()[at] = 0x5A;
    EXPECT_EQ(mapping->rx()[at], 0x5A);
  }
}

TEST_P(DualMappingTest, NoMappingIsWritableAndExecutable) {
  auto mapping = DualMapping::create(1 << 20, GetParam());
  ASSERT_TRUE(mapping);
  ASSERT_TRUE(mapping->expose(8192));
  EXPECT_EQ(mapping->exposed(), 8192U);
  EXPECT_EQ(permissions(mapping->rw()), "rw-s");
  EXPECT_EQ(permissions(mapping->rx()), "r-xs");
  EXPECT_EQ(permissions(mapping->rx() + 8192), "---s");
}

TEST_P(DualMappingTest, ExposesOnlyWhatExists) {
  auto mapping = DualMapping::create(1 << 20, GetParam());
  ASSERT_TRUE(mapping);
  EXPECT_FALSE(mapping->expose((1 << 20) + 1));
  EXPECT_TRUE(mapping->expose(1 << 20));
  EXPECT_TRUE(mapping->expose(1)) << "never takes back";
  EXPECT_EQ(mapping->exposed(), 1U << 20);
}

TEST_P(DualMappingTest, MovesItsOwnership) {
  auto first = DualMapping::create(1 << 16, GetParam());
  auto second = DualMapping::create(1 << 16, GetParam());
  ASSERT_TRUE(first && second);
  const std::uint8_t* const kept = first->rx();
  *second = std::move(*first);
  EXPECT_EQ(second->rx(), kept);
  EXPECT_EQ(permissions(kept), "r-xs");
}

INSTANTIATE_TEST_SUITE_P(Backings, DualMappingTest, testing::Values(Backing::MemoryFile, Backing::Anonymous),
                         [](const auto& instance) {
                           return instance.param == Backing::MemoryFile ? "MemoryFile" : "Anonymous";
                         });

// A size that no address space has: both ways fail, and the error says so.
TEST(DualMapping, NamesBothFailures) {
  const auto mapping = DualMapping::create(std::size_t{1} << 62);
  ASSERT_FALSE(mapping);
  EXPECT_EQ(mapping.error().code(), ErrorCode::CodeMemoryUnavailable);
  EXPECT_NE(mapping.error().message().find("memory file"), std::string::npos);
  EXPECT_NE(mapping.error().message().find("anonymous"), std::string::npos);
}

// Under a file size limit a memory file would end the process by SIGXFSZ; doubled anonymous memory works.
TEST(DualMappingDeathTest, SurvivesAFileSizeLimitOfZero) {
  const auto body = [] {
    const rlimit none{0, 0};
    if (setrlimit(RLIMIT_FSIZE, &none) != 0) _exit(2);
    auto mapping = DualMapping::create(1 << 20);
    if (!mapping || mapping->backing() != Backing::Anonymous) _exit(3);
    mapping->rw()[0] = 1;
    _exit(mapping->rx()[0] == 1 ? 0 : 4);
  };
  EXPECT_EXIT(body(), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace shunt::detail
