#include "engine/memory/code_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "arch/backend.h"

namespace shunt::detail {
namespace {

bool traps(const CodeMemory& memory, std::size_t begin, std::size_t end) {
  return std::all_of(memory.rx() + begin, memory.rx() + end, [](std::uint8_t byte) { return byte == 0xCC; });
}

TEST(CodeMemory, WhatIsExposedAndFreeTraps) {
  CodeMemory memory(std::move(*DualMapping::create(1 << 20)), &arch::x86_64::fill_with_traps);
  const auto small = memory.allocate(10);
  ASSERT_TRUE(small);
  std::memset(small->staging, 0x90, 10);
  ASSERT_TRUE(memory.fill(small->offset));
  EXPECT_EQ(memory.rx()[9], 0x90);
  EXPECT_TRUE(traps(memory, 10, 4096));
  const auto large = memory.allocate(100'000);
  ASSERT_TRUE(large);
  EXPECT_EQ(large->offset, 64U);
  std::memset(large->staging, 0x90, 100'000);
  EXPECT_TRUE(traps(memory, 64, 4096)) << "nothing is written before the code is filled in";
  ASSERT_TRUE(memory.fill(large->offset));
  EXPECT_TRUE(
      std::all_of(memory.rx() + 64, memory.rx() + 64 + 100'000, [](std::uint8_t byte) { return byte == 0x90; }));
  EXPECT_TRUE(traps(memory, 64 + 100'000, 131072));
  EXPECT_EQ(memory.free(large->offset, 100'000), 100'000U);
  EXPECT_EQ(memory.free(small->offset, 10), 16U) << "up to where other code may stand";
  EXPECT_TRUE(traps(memory, 0, 64));
  EXPECT_TRUE(traps(memory, 64, 131072));
}

TEST(CodeMemory, StagingMemoryEndsWhenItIsFilledInOrFreed) {
  CodeMemory memory(std::move(*DualMapping::create(1 << 20)), &arch::x86_64::fill_with_traps);
  const auto first = memory.allocate(10);
  const auto second = memory.allocate(1000);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first->staging) % 64, 0U);
  EXPECT_TRUE(memory.is_staged(*first, 10) && memory.is_staged(*second, 1000));
  EXPECT_FALSE(memory.is_staged(*first, 11) || memory.is_staged({first->offset, second->staging}, 10));
  ASSERT_TRUE(memory.fill(first->offset));
  EXPECT_EQ(memory.free(second->offset, 1000), 0U) << "nothing was written there";
  EXPECT_FALSE(memory.is_staged(*first, 10) || memory.is_staged(*second, 1000));
}

TEST(CodeMemory, AModuleOf50MegabytesAndThousandsOfStubs) {
  CodeMemory memory(std::move(*DualMapping::create(256 << 20)), &arch::x86_64::fill_with_traps);
  std::vector<std::uint32_t> stubs;
  for (int i = 0; i < 5000; ++i) stubs.push_back(memory.allocate(16)->offset);
  const auto module = memory.allocate(50 << 20);
  ASSERT_TRUE(module);
  for (int i = 0; i < 5000; ++i) stubs.push_back(memory.allocate(16)->offset);
  std::sort(stubs.begin(), stubs.end());
  EXPECT_EQ(std::adjacent_find(stubs.begin(), stubs.end()), stubs.end());
  EXPECT_LE(stubs[4999], 5000U * 16) << "stubs are packed";
  for (std::uint32_t stub : stubs) EXPECT_EQ(memory.free(stub, 16), 0U);
  EXPECT_EQ(memory.free(module->offset, 50 << 20), 0U);
  EXPECT_TRUE(memory.allocate(200 << 20)) << "everything was joined again";
}

TEST(CodeMemory, ExhaustionIsAnError) {
  CodeMemory memory(std::move(*DualMapping::create(1 << 16)), &arch::x86_64::fill_with_traps);
  const auto all = memory.allocate(1 << 16);
  ASSERT_FALSE(all) << "the end of the reservation stays unused";
  EXPECT_EQ(all.error().code(), ErrorCode::OutOfMemory);
  EXPECT_NE(all.error().message().find("code_reservation"), std::string::npos);
  EXPECT_FALSE(memory.allocate(std::size_t{1} << 40));
  EXPECT_TRUE(memory.allocate((1 << 16) - 64));
  EXPECT_FALSE(memory.allocate(1));
}

}  // namespace
}  // namespace shunt::detail
