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
  const Code code =
      published(engine, 128, {{&choice, SiteForm::AlignedWord, 60, {100, 110}}, {&key, SiteForm::Toggle, 3, {90}}});
  const std::vector<SiteInfo> sites = engine.sites(code);
  ASSERT_EQ(sites.size(), 2U);
  EXPECT_EQ(sites[0].address, code.data() + 3);
  EXPECT_EQ(sites[0].length, 5U);
  EXPECT_EQ(sites[0].form, SiteForm::Toggle);
  EXPECT_EQ(sites[0].key, &key);
  EXPECT_EQ(sites[1].address, code.data() + 60);
  EXPECT_EQ(sites[1].length, 9U);
  EXPECT_EQ(sites[1].targets, (std::vector<const std::uint8_t*>{code.data() + 100, code.data() + 110}));
  EXPECT_EQ(engine.instruction(sites[0], 0), "test eax, 0x52");
  EXPECT_EQ(engine.instruction(sites[0], 1), "jmp +0x57");
  EXPECT_EQ(engine.instruction(sites[1], 0), "nop");
  EXPECT_EQ(engine.instruction(sites[1], 1), "jmp +0x28");
  EXPECT_EQ(engine.instruction(sites[1], 2), "jmp +0x32");
  EXPECT_EQ(engine.instruction_now(sites[1]), "nop");
  EXPECT_TRUE(engine.sites(Code()).empty());
}

}  // namespace
}  // namespace shunt::test
