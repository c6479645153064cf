// What an engine on the host says about its sites.
#include <gtest/gtest.h>

#include <vector>

#include "shunt/engine.h"
#include "tests/engine/test_code.h"

namespace shunt::test {
namespace {

TEST(ShownSites, AreThoseOfTheCodeWithTheirInstructions) {
  const auto made = Engine::create();
  ASSERT_TRUE(made) << made.error().message();
  Engine& engine = **made;
  StaticKey key("key");
  StaticSwitch choice("choice", 3);
  const Code code = published(
      engine, 128, {{&choice, SiteForm::AlignedWord, 60, {100, 112}}, {&key, SiteForm::Redirect, 4, {88, 16}}});
  const std::vector<SiteInfo> sites = engine.sites(code);
  ASSERT_EQ(sites.size(), 2U);
  EXPECT_EQ(sites[0].address, code.data() + 4);
  EXPECT_EQ(sites[0].length, 4U);
  EXPECT_EQ(sites[0].form, SiteForm::Redirect);
  EXPECT_EQ(sites[0].key, &key);
  EXPECT_EQ(sites[1].address, code.data() + 60);
  EXPECT_EQ(sites[1].length, 4U);
  EXPECT_EQ(sites[1].targets, (std::vector<const std::uint8_t*>{code.data() + 100, code.data() + 112}));
  EXPECT_EQ(engine.instruction(sites[0], 0), "b +0x54");
  EXPECT_EQ(engine.instruction(sites[0], 1), "b +0xc");
  EXPECT_EQ(engine.instruction(sites[1], 0), "nop");
  EXPECT_EQ(engine.instruction(sites[1], 1), "b +0x28");
  EXPECT_EQ(engine.instruction(sites[1], 2), "b +0x34");
  EXPECT_EQ(engine.instruction_now(sites[0]), "b +0x54");
  EXPECT_EQ(engine.instruction_now(sites[1]), "nop");
  EXPECT_TRUE(engine.sites(Code()).empty());
}

}  // namespace
}  // namespace shunt::test
