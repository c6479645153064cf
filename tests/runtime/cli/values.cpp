// Guests' values as text, at the limits of each type; and that what is printed reads back as the same bits.
#include "runtime/cli/values.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace shunt::cli {
namespace {

using runtime::Value;
using runtime::ValueType;

std::uint64_t bits(std::string_view text, ValueType type) {
  Result<Value> value = parse_value(text, type);
  EXPECT_TRUE(value) << value.error().message();
  if (!value) return 0xdeadbeef;
  EXPECT_EQ(value->type, type);
  return value->bits;
}
std::string refused(std::string_view text, ValueType type) {
  Result<Value> value = parse_value(text, type);
  if (value) return "(accepted as " + format_value(*value) + ")";
  EXPECT_EQ(value.error().code(), ErrorCode::InvalidArgument);
  return value.error().message();
}

TEST(Values, Integers) {
  EXPECT_EQ(bits("0", ValueType::I32), 0U);
  EXPECT_EQ(bits("+7", ValueType::I32), 7U);
  EXPECT_EQ(bits("-1", ValueType::I32), 0xffffffffU);
  EXPECT_EQ(bits("-2147483648", ValueType::I32), 0x80000000U);
  EXPECT_EQ(bits("4294967295", ValueType::I32), 0xffffffffU);
  EXPECT_EQ(bits("0xffffFFFF", ValueType::I32), 0xffffffffU);
  EXPECT_EQ(bits("-0x80000000", ValueType::I32), 0x80000000U);
  EXPECT_EQ(bits("18446744073709551615", ValueType::I64), UINT64_MAX);
  EXPECT_EQ(bits("-9223372036854775808", ValueType::I64), 0x8000000000000000U);
  EXPECT_EQ(refused("4294967296", ValueType::I32), "'4294967296' is no i32: it is outside -2147483648 to 4294967295");
  EXPECT_EQ(refused("-2147483649", ValueType::I32), "'-2147483649' is no i32: it is outside -2147483648 to 4294967295");
  EXPECT_EQ(refused("18446744073709551616", ValueType::I64),
            "'18446744073709551616' is no i64: it is outside -9223372036854775808 to 18446744073709551615");
  for (const char* text : {"", "-", "x", "1x", "1.0", "1e3", "--1", "-+1", "0x", "0x-1", " 1", "1 "}) {
    EXPECT_EQ(refused(text, ValueType::I32),
              "'" + std::string(text) + "' is no i32: write an integer such as 42, -1 or 0xff");
  }
}

TEST(Values, Floats) {
  EXPECT_EQ(bits("1.5", ValueType::F32), 0x3fc00000U);
  EXPECT_EQ(bits("-0", ValueType::F32), 0x80000000U);
  EXPECT_EQ(bits("0x1p-3", ValueType::F64), 0x3fc0000000000000U);
  EXPECT_EQ(bits("-0x1.8p1", ValueType::F64), 0xc008000000000000U);
  EXPECT_EQ(bits("1e3", ValueType::F64), 0x408f400000000000U);
  EXPECT_EQ(bits("inf", ValueType::F32), 0x7f800000U);
  EXPECT_EQ(bits("-inf", ValueType::F64), 0xfff0000000000000U);
  EXPECT_EQ(bits("nan", ValueType::F32), 0x7fc00000U);
  EXPECT_EQ(bits("NaN", ValueType::F32), 0x7fc00000U);
  EXPECT_EQ(bits("-INF", ValueType::F32), 0xff800000U);
  EXPECT_EQ(bits("-nan", ValueType::F64), 0xfff8000000000000U);
  EXPECT_EQ(bits("nan:0x1", ValueType::F32), 0x7f800001U);
  EXPECT_EQ(bits("-nan:0xfffffffffffff", ValueType::F64), 0xffffffffffffffffU);
  EXPECT_EQ(refused("1e39", ValueType::F32), "'1e39' is no f32: it is too large or too small");
  for (const char* text :
       {"", "-", "x", "1x", "nan(1)", "info", "nan:", "nan:0x0", "nan:0x800000", "nan:1", "--1", "1e", " 1"}) {
    EXPECT_EQ(refused(text, ValueType::F32),
              "'" + std::string(text) + "' is no f32: write a number such as 1.5, -2e10, 0x1p-3, -inf, nan or nan:0x1");
  }
}

TEST(Values, References) {
  EXPECT_EQ(bits("null", ValueType::ExternRef), 0U);
  EXPECT_EQ(refused("0", ValueType::FuncRef), "'0' is no funcref: only null can be written");
  EXPECT_EQ(format_value(Value::null_ref(ValueType::FuncRef)), "null");
  EXPECT_EQ(format_value({ValueType::ExternRef, 1}), "externref");
}

TEST(Values, WhatIsShownReadsBack) {
  const Value values[] = {
      Value::i32(0),
      Value::i32(0x80000000),
      Value::i32(0xffffffff),
      Value::i64(INT64_MAX),
      Value::i64(0x8000000000000000),
      Value::f32(0.1F),
      Value::f32(-0.0F),
      Value::f32(1e-45F),
      Value::f32(3.4028235e38F),
      Value::f64(0.1),
      Value::f64(1.0 / 3),
      Value::f64(5e-324),
      Value::f64(1.7976931348623157e308),
      {ValueType::F32, 0x7f800000},
      {ValueType::F32, 0xff800000},
      {ValueType::F32, 0x7fc00000},
      {ValueType::F32, 0xffc00001},
      {ValueType::F64, 0x7ff0000000000001},
      {ValueType::F64, 0xfff8000000000000},
  };
  for (const Value& value : values) EXPECT_EQ(bits(format_value(value), value.type), value.bits) << format_value(value);
  EXPECT_EQ(format_value(Value::i32(0xffffffff)), "-1");
  EXPECT_EQ(format_value(Value::f64(1)), "1");
  EXPECT_EQ(format_value(Value::f32(0.1F)), "0.1");
  EXPECT_EQ(format_value({ValueType::F64, 0xfff0000000000000}), "-inf");
  EXPECT_EQ(format_value({ValueType::F32, 0x7fc00000}), "nan");
  EXPECT_EQ(format_value({ValueType::F32, 0xff800001}), "-nan:0x1");
}

TEST(Values, NegativeNumbersAreNoOptions) {
  for (const char* text : {"-1", "-.5", "-0x1", "-inf", "-Infinity", "-nan", "-nan:0x1"}) {
    EXPECT_TRUE(is_negative_number(text)) << text;
  }
  for (const char* text : {"", "-", "1", "--1", "-x", "-i", "-W", "-.", "-nano", "--inf"}) {
    EXPECT_FALSE(is_negative_number(text)) << text;
  }
}

}  // namespace
}  // namespace shunt::cli
