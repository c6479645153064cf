#include "engine/memory/code_arena.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <random>
#include <vector>

namespace shunt::detail {
namespace {

TEST(CodeArena, SmallAllocationsArePackedAt16LargerOnesAlignedTo64) {
  CodeArena arena(4096);
  EXPECT_EQ(arena.allocate(1), 0U);
  EXPECT_EQ(arena.allocate(16), 16U);
  EXPECT_EQ(arena.allocate(64), 32U);
  EXPECT_EQ(arena.allocate(65), 128U);
  EXPECT_EQ(arena.allocate(16), 96U) << "the gap before an aligned allocation is used";
  EXPECT_EQ(arena.free_bytes(), 4096U - 16 - 16 - 64 - 80 - 16);
}

TEST(CodeArena, ReusesTheBestFit) {
  CodeArena arena(4096);
  const auto a = arena.allocate(256);
  const auto b = arena.allocate(128);
  const auto c = arena.allocate(512);
  ASSERT_TRUE(a && b && c && arena.allocate(64));
  arena.free(*a, 256);
  arena.free(*c, 512);
  EXPECT_EQ(arena.allocate(200), *a);
  EXPECT_EQ(arena.allocate(300), *c);
}

TEST(CodeArena, JoinsFreeNeighboursFromEitherSide) {
  CodeArena arena(1024);
  std::vector<std::uint32_t> all;
  for (int i = 0; i < 4; ++i) all.push_back(*arena.allocate(256));
  EXPECT_EQ(arena.allocate(1), std::nullopt);
  arena.free(all[0], 256);
  arena.free(all[2], 256);
  EXPECT_EQ(arena.free_extents(), 2U);
  EXPECT_EQ(arena.allocate(512), std::nullopt);
  arena.free(all[1], 256);  // joins both
  EXPECT_EQ(arena.free_extents(), 1U);
  arena.free(all[3], 256);
  EXPECT_EQ(arena.free_extents(), 1U);
  EXPECT_EQ(arena.allocate(1024), 0U);
}

TEST(CodeArena, RefusesWhatDoesNotFit) {
  CodeArena arena(1024);
  EXPECT_EQ(arena.allocate(1025), std::nullopt);
  EXPECT_EQ(arena.allocate(1024), 0U);
  EXPECT_EQ(arena.allocate(1), std::nullopt);
  arena.free(0, 1024);
  EXPECT_EQ(arena.free_bytes(), 1024U);
}

TEST(CodeArena, InAWindowTheLowestPlaceThatFits) {
  CodeArena arena(4096);
  EXPECT_EQ(arena.allocate(16, {1000, 1024}), 1008U) << "in the middle of an extent";
  EXPECT_EQ(arena.allocate(16, {1000, 1024}), std::nullopt) << "15 bytes are left in front of it, none behind";
  EXPECT_EQ(arena.allocate(16, {992, 1008}), 992U) << "the window's own bounds";
  EXPECT_EQ(arena.allocate(100, {960, 4096}), 1024U) << "aligned to 64, and behind what is too small";
  EXPECT_EQ(arena.allocate(16, {4096, 8192}), std::nullopt);
  EXPECT_EQ(arena.allocate(4096, {0, 4096}), std::nullopt);
  arena.free(1008, 16);
  EXPECT_EQ(arena.allocate(16, {0, 4096}), 0U);
  EXPECT_EQ(arena.free_bytes(), 4096U - 16 - 112 - 16);
}

// Against the simplest model: a map of what is allocated.
TEST(CodeArena, NeverOverlapsAndNeverLosesAByte) {
  constexpr std::uint32_t size = 1 << 20;
  constexpr unsigned seed = 20261123;
  CodeArena arena(size);
  std::mt19937 random(seed);
  std::map<std::uint32_t, std::uint32_t> allocated;  // offset -> requested size
  std::uint64_t used = 0;
  for (int step = 0; step < 20000; ++step) {
    if (random() % 5 < 3) {
      const std::uint32_t request = random() % 3 == 0 ? 1 + random() % 20000 : 1 + random() % 64;
      const auto offset = arena.allocate(request);
      if (!offset) continue;
      ASSERT_EQ(*offset % (request <= 64 ? 16 : 64), 0U);
      ASSERT_LE(*offset + CodeArena::footprint(request), size);
      const auto next = allocated.lower_bound(*offset);
      if (next != allocated.end()) {
        ASSERT_LE(*offset + CodeArena::footprint(request), next->first);
      }
      if (next != allocated.begin()) {
        const auto previous = std::prev(next);
        ASSERT_LE(previous->first + CodeArena::footprint(previous->second), *offset);
      }
      allocated[*offset] = request;
      used += CodeArena::footprint(request);
    } else if (!allocated.empty()) {
      auto victim = allocated.lower_bound(random() % size);
      if (victim == allocated.end()) victim = allocated.begin();
      arena.free(victim->first, victim->second);
      used -= CodeArena::footprint(victim->second);
      allocated.erase(victim);
    }
    ASSERT_EQ(arena.free_bytes(), size - used);
  }
  for (const auto& [offset, request] : allocated) arena.free(offset, request);
  EXPECT_EQ(arena.free_extents(), 1U);
  EXPECT_EQ(arena.free_bytes(), size);
}

}  // namespace
}  // namespace shunt::detail
