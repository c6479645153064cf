// Which value a reader of which type sees, at the limits.
#include "runtime/flags/reading.h"

#include <gtest/gtest.h>

#include <bit>
#include <limits>
#include <string>

namespace shunt::flags {
namespace {

using Integer = std::int64_t;
constexpr auto no_bits = std::optional<std::uint64_t>{};

TEST(Reading, I32TakesBooleansAndIntegersOf32Bits) {
  EXPECT_EQ(bits_as(false, FlagType::I32), 0U);
  EXPECT_EQ(bits_as(true, FlagType::I32), 1U);
  EXPECT_EQ(bits_as(Integer{-1}, FlagType::I32), 0xffffffffU);
  EXPECT_EQ(bits_as(Integer{INT32_MIN}, FlagType::I32), 0x80000000U);
  EXPECT_EQ(bits_as(Integer{INT32_MIN} - 1, FlagType::I32), no_bits);
  EXPECT_EQ(bits_as(Integer{UINT32_MAX}, FlagType::I32), 0xffffffffU);
  EXPECT_EQ(bits_as(Integer{UINT32_MAX} + 1, FlagType::I32), no_bits);
  EXPECT_EQ(bits_as(1.0, FlagType::I32), no_bits);
  EXPECT_EQ(bits_as(std::string("1"), FlagType::I32), no_bits);
}

TEST(Reading, I64TakesIntegers) {
  EXPECT_EQ(bits_as(Integer{INT64_MIN}, FlagType::I64), 0x8000000000000000U);
  EXPECT_EQ(bits_as(Integer{INT64_MAX}, FlagType::I64), 0x7fffffffffffffffU);
  EXPECT_EQ(bits_as(true, FlagType::I64), no_bits);
  EXPECT_EQ(bits_as(1.0, FlagType::I64), no_bits);
}

TEST(Reading, F64TakesNumbers) {
  EXPECT_EQ(bits_as(0.5, FlagType::F64), std::bit_cast<std::uint64_t>(0.5));
  EXPECT_EQ(bits_as(Integer{3}, FlagType::F64), std::bit_cast<std::uint64_t>(3.0));
  EXPECT_EQ(bits_as(Integer{INT64_MAX}, FlagType::F64), std::bit_cast<std::uint64_t>(0x1p63));
  EXPECT_EQ(bits_as(-0.0, FlagType::F64), 0x8000000000000000U);
  EXPECT_EQ(bits_as(true, FlagType::F64), no_bits);
  EXPECT_EQ(bits_as(std::string(), FlagType::String), no_bits);
}

TEST(Reading, NumberStates) {
  EXPECT_EQ(number_state(0, FlagType::I32), 0U);
  EXPECT_EQ(number_state(1, FlagType::I32), 1U);
  EXPECT_EQ(number_state(2, FlagType::I32), 2U);
  EXPECT_EQ(number_state(0xffffffff, FlagType::I32), 2U);
  EXPECT_EQ(number_state(0, FlagType::I64), 0U);
  EXPECT_EQ(number_state(1, FlagType::I64), 2U);
  EXPECT_EQ(number_state(*bits_as(0.0, FlagType::F64), FlagType::F64), 0U);
  EXPECT_EQ(number_state(*bits_as(-0.0, FlagType::F64), FlagType::F64), 2U);
  EXPECT_EQ(number_state(1, FlagType::F64), 2U);  // the smallest subnormal
  EXPECT_EQ(number_state(*bits_as(std::numeric_limits<double>::quiet_NaN(), FlagType::F64), FlagType::F64), 2U);
}

TEST(Reading, Truth) {
  EXPECT_FALSE(is_true(false));
  EXPECT_TRUE(is_true(true));
  EXPECT_FALSE(is_true(Integer{0}));
  EXPECT_TRUE(is_true(Integer{-1}));
  EXPECT_FALSE(is_true(0.0));
  EXPECT_FALSE(is_true(-0.0));
  EXPECT_TRUE(is_true(std::numeric_limits<double>::quiet_NaN()));
  EXPECT_FALSE(is_true(std::string()));
  EXPECT_TRUE(is_true(std::string("0")));
}

TEST(Reading, SameComparesNumbersByTheirBits) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(same(nan, nan));
  EXPECT_FALSE(same(0.0, -0.0));
  EXPECT_FALSE(same(Integer{1}, 1.0));
  EXPECT_FALSE(same(true, Integer{1}));
  EXPECT_TRUE(same(std::string("a"), std::string("a")));
}

TEST(Reading, ImportNames) {
  EXPECT_EQ(split_import_name("a").key, "a");
  EXPECT_FALSE(split_import_name("a").variant);
  EXPECT_EQ(split_import_name("a=b=c").key, "a");
  EXPECT_EQ(split_import_name("a=b=c").variant, "b=c");
  EXPECT_EQ(split_import_name("a=").variant, "");
  EXPECT_EQ(split_import_name("=b").key, "");
}

}  // namespace
}  // namespace shunt::flags
