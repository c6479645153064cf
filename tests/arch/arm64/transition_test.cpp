#include "arch/arm64/transition.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstring>

namespace shunt::arch::arm64 {
namespace {

constexpr std::uint64_t start = 0x4000'0000;

TEST(Arm64Transition, OnlyTheInstructionsThatTheManualNamesMayChange) {
  const std::array modifiable = {nop_word,
                                 0x14000001U /* b */,
                                 0x97FFFFFFU /* bl */,
                                 0xD4200000U /* brk */,
                                 0xD5033FDFU /* isb */,
                                 0xD4000001U /* svc */,
                                 0xD4000022U /* hvc */,
                                 0xD4000003U /* smc */};
  for (std::uint32_t from : modifiable) {
    EXPECT_TRUE(concurrently_modifiable(from)) << std::hex << from;
    for (std::uint32_t to : modifiable) EXPECT_TRUE(legal_words(from, to));
  }
  const std::array others = {0x8B000000U /* add */, 0x54000040U /* b.eq */,  0xD65F03C0U /* ret */,
                             0xD61F0000U /* br */,  0xD503203FU /* yield */, 0xD5033F9FU /* dsb */,
                             0xD4400000U /* hlt */, 0xD4A00001U /* dcps1 */, 0x00000000U /* udf */};
  for (std::uint32_t other : others) {
    EXPECT_FALSE(concurrently_modifiable(other)) << std::hex << other;
    EXPECT_FALSE(legal_words(other, nop_word));
    EXPECT_FALSE(legal_words(nop_word, other));
  }
}

TEST(Arm64Transition, SitesExistAsAlignedWordsAtMultiplesOfFour) {
  EXPECT_FALSE(supports(SiteForm::Toggle));
  for (SiteForm form : {SiteForm::AlignedWord, SiteForm::Redirect, SiteForm::Call}) {
    EXPECT_TRUE(supports(form));
    EXPECT_TRUE(placeable(form, start));
    for (std::uint64_t odd : {1, 2, 3}) EXPECT_FALSE(placeable(form, start + odd));
  }
}

TEST(Arm64Transition, OneStoreRewritesTheSite) {
  const Direction off{false, 0};
  const Direction a{true, start + 0x1000};
  const Direction b{true, start - 0x1000};
  const Direction far_ahead{true, start + branch_range - 4};
  const Direction far_back{true, start - branch_range};
  for (SiteForm form : {SiteForm::AlignedWord, SiteForm::Redirect, SiteForm::Call}) {
    for (auto [from, to] : {std::pair{off, a}, {a, off}, {a, b}, {far_ahead, far_back}}) {
      const bool possible = form != SiteForm::Redirect || (from.branches && to.branches);
      EXPECT_EQ(legal(form, from, to), possible);
      if (!possible) continue;
      const SiteBytes before = encode(form, start, from);
      const SiteBytes after = encode(form, start, to);
      EXPECT_TRUE(holds(before.bytes.data(), form, start, from));
      EXPECT_FALSE(holds(before.bytes.data(), form, start, to));
      const SiteStore store = rewrite(before.bytes.data(), form, start, to);
      EXPECT_EQ(store.offset, 0);
      EXPECT_EQ(store.size, 4);
      EXPECT_EQ(store.old_value, detail::load32(before.bytes.data()));
      EXPECT_EQ(store.new_value, detail::load32(after.bytes.data()));
      EXPECT_TRUE(
          legal_words(static_cast<std::uint32_t>(store.old_value), static_cast<std::uint32_t>(store.new_value)));
    }
  }
  EXPECT_FALSE(legal(SiteForm::Toggle, off, a));
}

TEST(Arm64Transition, HoldsSeesEveryBit) {
  const Direction on{true, start + 0x40};
  SiteBytes site = encode(SiteForm::AlignedWord, start, on);
  for (unsigned bit = 0; bit < 32; ++bit) {
    site.bytes[bit / 8] ^= static_cast<std::uint8_t>(1 << (bit % 8));
    EXPECT_FALSE(holds(site.bytes.data(), SiteForm::AlignedWord, start, on));
    site.bytes[bit / 8] ^= static_cast<std::uint8_t>(1 << (bit % 8));
  }
  EXPECT_TRUE(is_site(site.bytes.data(), SiteForm::AlignedWord, start));
  EXPECT_TRUE(is_site(site.bytes.data(), SiteForm::Redirect, start));
  EXPECT_FALSE(is_site(site.bytes.data(), SiteForm::Call, start));
  site.bytes[3] ^= 0x80;  // b becomes bl
  EXPECT_FALSE(is_site(site.bytes.data(), SiteForm::AlignedWord, start));
  EXPECT_FALSE(is_site(site.bytes.data(), SiteForm::Redirect, start));
  EXPECT_TRUE(is_site(site.bytes.data(), SiteForm::Call, start));
  site = encode(SiteForm::AlignedWord, start, {});
  EXPECT_TRUE(is_site(site.bytes.data(), SiteForm::AlignedWord, start));
  EXPECT_TRUE(is_site(site.bytes.data(), SiteForm::Call, start));
  EXPECT_FALSE(is_site(site.bytes.data(), SiteForm::Redirect, start));
}

}  // namespace
}  // namespace shunt::arch::arm64
