#include "runtime/wasm/wasi/guest_memory.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <limits>

namespace shunt::wasi {
namespace {

TEST(GuestMemory, ContainsUpToItsEndAndNothingBehindIt) {
  std::array<std::uint8_t, 16> bytes{};
  const GuestMemory memory(bytes);
  EXPECT_TRUE(memory.contains(0, 16));
  EXPECT_FALSE(memory.contains(0, 17));
  EXPECT_TRUE(memory.contains(16, 0));
  EXPECT_FALSE(memory.contains(17, 0));
  EXPECT_FALSE(memory.contains(16, 1));
  EXPECT_TRUE(memory.contains(15, 1));
  EXPECT_FALSE(memory.contains(15, 2));
}

TEST(GuestMemory, SumsThatOverflowAreOutside) {
  std::array<std::uint8_t, 16> bytes{};
  const GuestMemory memory(bytes);
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  EXPECT_FALSE(memory.contains(8, most));
  EXPECT_FALSE(memory.contains(most, 8));
  EXPECT_FALSE(memory.contains(8, most - 7));
  EXPECT_FALSE(memory.view(most, most).has_value());
}

TEST(GuestMemory, AMemoryThatDoesNotExistHoldsNothing) {
  const GuestMemory memory;
  EXPECT_FALSE(memory.contains(0, 1));
  std::uint32_t value = 7;
  EXPECT_FALSE(memory.load(0, value));
  EXPECT_EQ(value, 7u);
}

TEST(GuestMemory, LoadsAndStoresAtAnyAlignment) {
  std::array<std::uint8_t, 16> bytes{};
  const GuestMemory memory(bytes);
  ASSERT_TRUE(memory.store(3, std::uint32_t{0x01020304}));
  EXPECT_EQ(bytes[3], 4);
  EXPECT_EQ(bytes[6], 1);
  std::uint32_t value = 0;
  ASSERT_TRUE(memory.load(3, value));
  EXPECT_EQ(value, 0x01020304u);
  EXPECT_FALSE(memory.store(13, std::uint32_t{0xffffffff}));
  EXPECT_EQ(bytes[13], 0);
}

TEST(GuestMemory, ViewsAreTheMemoryItself) {
  std::array<std::uint8_t, 16> bytes{};
  const GuestMemory memory(bytes);
  memory.view(4, 2).value()[1] = 9;
  EXPECT_EQ(bytes[5], 9);
  bytes[8] = 'x';
  EXPECT_EQ(memory.text(8, 1), "x");
}

}  // namespace
}  // namespace shunt::wasi
