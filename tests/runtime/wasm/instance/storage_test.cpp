// Memories, tables and stacks by themselves.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "runtime/wasm/instance/guest_stack.h"
#include "runtime/wasm/instance/linear_memory.h"
#include "runtime/wasm/instance/table.h"

namespace shunt::test {
namespace {

using runtime::Limits;
using runtime::ValueType;
using wasm::GuestStack;
using wasm::LinearMemory;
using wasm::Table;
using wasm::wasm_page_bytes;

constexpr std::uint64_t four_gib = std::uint64_t{4} << 30;

std::unique_ptr<LinearMemory> memory(Limits limits, std::uint64_t max_bytes = four_gib) {
  auto made = LinearMemory::create({limits}, max_bytes);
  EXPECT_TRUE(made) << made.error().message();
  return made ? std::move(*made) : nullptr;
}

TEST(LinearMemory, GrowsInPlaceAndZeroed) {
  const auto grown = memory({.min = 1});
  const std::uint8_t* const base = grown->view().base;
  grown->view().base[wasm_page_bytes - 1] = 7;
  EXPECT_EQ(grown->grow(2), 1u);
  EXPECT_EQ(grown->view().base, base);
  EXPECT_EQ(grown->view().bytes, 3 * wasm_page_bytes);
  EXPECT_EQ(base[wasm_page_bytes - 1], 7);
  EXPECT_EQ(base[wasm_page_bytes], 0);
  EXPECT_EQ(base[3 * wasm_page_bytes - 1], 0);
  EXPECT_EQ(grown->grow(0), 3u);
}

TEST(LinearMemory, KeepsItsMaximum) {
  const auto limited = memory({.min = 1, .max = 3, .has_max = true});
  EXPECT_EQ(limited->grow(3), std::nullopt);
  EXPECT_EQ(limited->grow(0xffffffff), std::nullopt);
  EXPECT_EQ(limited->pages(), 1u);
  EXPECT_EQ(limited->grow(2), 1u);
  EXPECT_EQ(limited->grow(1), std::nullopt);
  EXPECT_EQ(limited->type().limits.min, 3u);
  EXPECT_EQ(limited->type().limits.max, 3u);
}

TEST(LinearMemory, KeepsTheLimitOfItsStore) {
  const auto limited = memory({.min = 1}, 2 * wasm_page_bytes + 5);
  EXPECT_EQ(limited->grow(1), 1u);
  EXPECT_EQ(limited->grow(1), std::nullopt);
  const auto refused = LinearMemory::create({{.min = 3}}, 2 * wasm_page_bytes);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::Uninstantiable);
  EXPECT_EQ(refused.error().message(), "a memory of 3 pages: this store allows 2 (StoreOptions::max_memory_bytes)");
}

TEST(LinearMemory, ReachesFourGibibytes) {
  const auto full = memory({.min = 65536});
  EXPECT_EQ(full->view().bytes, four_gib);
  full->view().base[four_gib - 1] = 1;
  EXPECT_EQ(full->grow(1), std::nullopt);
}

TEST(LinearMemory, ChecksRangesWithoutOverflow) {
  const auto one_page = memory({.min = 1});
  EXPECT_TRUE(one_page->contains(0, wasm_page_bytes));
  EXPECT_TRUE(one_page->contains(wasm_page_bytes, 0));
  EXPECT_FALSE(one_page->contains(wasm_page_bytes + 1, 0));
  EXPECT_FALSE(one_page->contains(1, wasm_page_bytes));
  EXPECT_FALSE(one_page->contains(UINT64_MAX, 2));
  EXPECT_FALSE(one_page->contains(2, UINT64_MAX));
}

TEST(LinearMemory, ReservesWhatCompiledCodeCanAddress) {
  const auto reserved = memory({.min = 0});
  const auto base = reinterpret_cast<std::uintptr_t>(reserved->view().base);
  EXPECT_TRUE(reserved->reserves(base));
  EXPECT_TRUE(reserved->reserves(base + 2 * std::uint64_t{0xffffffff} + 7));
  EXPECT_FALSE(reserved->reserves(base - 1));
  EXPECT_FALSE(reserved->reserves(base + LinearMemory::reservation_bytes));
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // their shadow does not fit below such a limit
TEST(LinearMemoryDeathTest, SaysSoWhenAddressSpaceIsShort) {
  const auto limited = [] {
    const rlimit little{std::size_t{1} << 30, std::size_t{1} << 30};
    setrlimit(RLIMIT_AS, &little);
    const auto refused = LinearMemory::create({{.min = 1}}, four_gib);
    std::fprintf(stderr, "%s\n", refused ? "made" : refused.error().message().c_str());
    std::_Exit(refused || refused.error().code() != ErrorCode::OutOfMemory ? 1 : 0);
  };
  EXPECT_EXIT(limited(), testing::ExitedWithCode(0),
              "cannot reserve 8 GiB of address space for a linear memory: .*ulimit -v");
}
#endif

class TableTest : public testing::Test {
 protected:
  std::unique_ptr<Table> table(Limits limits) {
    auto made = Table::create({ValueType::FuncRef, limits}, elements_left);
    EXPECT_TRUE(made) << made.error().message();
    return made ? std::move(*made) : nullptr;
  }
  std::uint64_t elements_left = 100;
};

TEST_F(TableTest, GrowsWithTheGivenReference) {
  const auto grown = table({.min = 2, .max = 5, .has_max = true});
  EXPECT_EQ(grown->view().elements[1], 0u);
  EXPECT_EQ(grown->grow(3, 0x1234), 2u);
  EXPECT_EQ(grown->view().size, 5u);
  EXPECT_EQ(grown->view().elements[1], 0u);
  EXPECT_EQ(grown->view().elements[4], 0x1234u);
  EXPECT_EQ(grown->grow(1, 0), std::nullopt);
  EXPECT_EQ(grown->grow(0xffffffff, 0), std::nullopt);
  EXPECT_EQ(grown->size(), 5u);
}

TEST_F(TableTest, SharesTheLimitOfItsStore) {
  const auto refused = Table::create({ValueType::FuncRef, {.min = 101}}, elements_left);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::Uninstantiable);
  EXPECT_EQ(refused.error().message(),
            "a table of 101 elements: this store has room for 100 (StoreOptions::max_table_elements)");
  const auto first = table({.min = 60});
  const auto second = table({.min = 1});
  EXPECT_EQ(second->grow(40, 0), std::nullopt);
  EXPECT_EQ(second->grow(39, 0), 1u);
  EXPECT_EQ(first->grow(1, 0), std::nullopt);
}

TEST_F(TableTest, ChecksRangesWithoutOverflow) {
  const auto three = table({.min = 3});
  EXPECT_TRUE(three->contains(3, 0));
  EXPECT_FALSE(three->contains(4, 0));
  EXPECT_FALSE(three->contains(UINT64_MAX, 2));
}

TEST(GuestStack, HasAGuardBelow) {
  auto made = GuestStack::create(100'000);
  ASSERT_TRUE(made);
  const GuestStack stack = std::move(*made);
  EXPECT_GE(stack.top() - stack.limit(), 100'000);
  *stack.limit() = 1;
  *(stack.top() - 1) = 1;
  const auto limit = reinterpret_cast<std::uintptr_t>(stack.limit());
  EXPECT_TRUE(stack.guards(limit - 1));
  EXPECT_TRUE(stack.guards(limit - GuestStack::guard_bytes));
  EXPECT_FALSE(stack.guards(limit));
  EXPECT_FALSE(stack.guards(limit - GuestStack::guard_bytes - 1));
}

TEST(GuestStack, RefusesSizesOutOfRange) {
  for (const std::size_t bytes : {std::size_t{0}, GuestStack::least_bytes - 1, SIZE_MAX}) {
    const auto refused = GuestStack::create(bytes);
    ASSERT_FALSE(refused) << bytes;
    EXPECT_EQ(refused.error().code(), ErrorCode::InvalidArgument);
  }
}

}  // namespace
}  // namespace shunt::test
