#include "runtime/wasm/module/name_section.h"

#include <gtest/gtest.h>

#include "tests/runtime/wasm/module/module_bytes.h"

namespace shunt::test {
namespace {

using Names = std::vector<std::string>;

Names read(const Bytes& payload, std::size_t functions = 10) {
  return wasm::read_function_names(payload.get(), functions);
}

Bytes function_names(const Bytes& map) {
  return Bytes{1}.sized(map);
}

TEST(NameSection, ReadsFunctionNamesBehindTheModulesName) {
  const Bytes payload =
      Bytes{0}.sized(Bytes().name("module")).add(function_names(Bytes{2, 0}.name("a").add({3}).name("b")));
  EXPECT_EQ(read(payload), (Names{"a", "", "", "b"}));
}

TEST(NameSection, LeavesOutWhatDoesNotFit) {
  EXPECT_EQ(read(function_names(Bytes{2, 1}.name("x").add({5}).name("y")), 2), (Names{"", "x"}));
  EXPECT_EQ(read(function_names(Bytes{2, 0}.name("\xff").add({1}).name("y"))), (Names{"", "y"}));
  const std::string long_name(100'001, 'n');
  EXPECT_EQ(read(function_names(Bytes{2, 0}.name(long_name).add({1}).name("y"))), (Names{"", "y"}));
  EXPECT_EQ(read(function_names(Bytes{1}.number(0xffffffff).name("far"))), Names{});
}

TEST(NameSection, EndsWhereItIsMalformed) {
  EXPECT_EQ(read({}), Names{});
  EXPECT_EQ(read({1}), Names{});
  EXPECT_EQ(read({1, 0x80}), Names{});
  EXPECT_EQ(read({1, 9, 1, 0, 1, 'a'}), Names{});  // longer than the section
  EXPECT_EQ(read(function_names(Bytes{2, 0}.name("a").add({1, 5, 'b'}))), Names{"a"});
  EXPECT_EQ(read(function_names(Bytes().number(0xffffffff).add({0}).name("a"))), Names{"a"});
  EXPECT_EQ(read(Bytes{0, 200}), Names{});
}

}  // namespace
}  // namespace shunt::test
