#include "runtime/capi/body_offset.h"

#include <gtest/gtest.h>

#include <string>

#include "runtime/wasm/module/function_body.h"
#include "shunt/runtime/module_file.h"

namespace shunt::wasmc {
namespace {

class Offsets final : public wasm::FunctionSink {
 public:
  Status begin_code(const wasm::ModuleData&) override { return Ok{}; }
  Status function(const wasm::FunctionBody& body) override {
    offsets.push_back(body.offset);
    return Ok{};
  }
  std::vector<std::size_t> offsets;
};

TEST(BodyOffset, IsWhereTheReaderFindsTheBody) {
  std::string long_body;
  for (int i = 0; i < 20'000; ++i) long_body += " nop";  // whose size takes three bytes
  const auto bytes = runtime::assemble("(module (import \"a\" \"b\" (func)) (memory 1) (data \"text\") (func)" +
                                           std::string(" (func (param i64) (local f32)") + long_body +
                                           ") (func (result i32) (i32.const 300)) (func unreachable))",
                                       "m.wat");
  ASSERT_TRUE(bytes);
  Offsets read;
  ASSERT_TRUE(wasm::read_module(*bytes, "m.wat", read));
  ASSERT_EQ(read.offsets.size(), 4u);
  for (std::uint32_t i = 0; i < 4; ++i) EXPECT_EQ(body_offset(*bytes, i), read.offsets[i]) << i;
  EXPECT_EQ(body_offset(*bytes, 4), std::nullopt);
}

TEST(BodyOffset, IsNoneWithoutCode) {
  const auto bytes = runtime::assemble("(module (memory 1))", "m.wat");
  ASSERT_TRUE(bytes);
  EXPECT_EQ(body_offset(*bytes, 0), std::nullopt);
}

}  // namespace
}  // namespace shunt::wasmc
