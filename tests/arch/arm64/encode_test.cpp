#include "arch/arm64/encode.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "arch/arm64/decode.h"

namespace shunt::arch::arm64 {
namespace {

constexpr std::uint64_t origin = 0xFFFF'8000'0000;
constexpr std::uint64_t range = 128 << 20;

TEST(Arm64Encode, KnownWords) {
  EXPECT_EQ(nop_word, 0xD503201FU);
  EXPECT_EQ(encode_b(origin, origin), 0x14000000U);
  EXPECT_EQ(encode_b(origin, origin + 8), 0x14000002U);
  EXPECT_EQ(encode_b(origin, origin - 4), 0x17FFFFFFU);
  EXPECT_EQ(encode_bl(origin, origin + 8), 0x94000002U);
  EXPECT_EQ(encode_brk(0), 0xD4200000U);
  EXPECT_EQ(encode_brk(0xFFFF), 0xD43FFFE0U);
}

TEST(Arm64Encode, ReachEndsAt128MiB) {
  EXPECT_EQ(encode_b(origin, origin + range - 4), 0x15FFFFFFU);
  EXPECT_EQ(encode_b(origin, origin + range), std::nullopt);
  EXPECT_EQ(encode_b(origin, origin - range), 0x16000000U);
  EXPECT_EQ(encode_b(origin, origin - range - 4), std::nullopt);
  EXPECT_EQ(encode_bl(origin, origin + range), std::nullopt);
  for (SiteForm form : {SiteForm::AlignedWord, SiteForm::Redirect, SiteForm::Call}) {
    EXPECT_TRUE(reaches(form, origin, origin - range));
    EXPECT_FALSE(reaches(form, origin, origin - range - 4));
    EXPECT_TRUE(reaches(form, origin, origin + range - 4));
    EXPECT_FALSE(reaches(form, origin, origin + range));
  }
}

TEST(Arm64Encode, RedirectsBranchInEveryStateAndCallsLink) {
  const auto word = [](SiteForm form, bool branches) { return site_word(form, origin, {branches, origin + 8}); };
  for (bool branches : {false, true}) EXPECT_EQ(word(SiteForm::Redirect, branches), 0x14000002U);
  EXPECT_EQ(word(SiteForm::Call, true), 0x94000002U);
  EXPECT_EQ(word(SiteForm::Call, false), nop_word);
}

TEST(Arm64Encode, RefusesMisalignedAddressesAndTargets) {
  EXPECT_EQ(encode_b(origin, origin + 2), std::nullopt);
  EXPECT_EQ(encode_b(origin + 2, origin + 2), std::nullopt);
  EXPECT_FALSE(reaches(SiteForm::AlignedWord, origin, origin + 1));
  EXPECT_FALSE(reaches(SiteForm::Toggle, origin, origin + 4));
}

TEST(Arm64Decode, IsTheInverseOfEncode) {
  const std::vector<std::int64_t> distances = {
      0, 4, -4, 0x1234, -0x1234, static_cast<std::int64_t>(range) - 4, -static_cast<std::int64_t>(range)};
  for (std::int64_t distance : distances) {
    const std::uint64_t target = origin + static_cast<std::uint64_t>(distance);
    EXPECT_EQ(decode_word(*encode_b(origin, target), origin), (Decoded{Operation::Jump, 4, target, 0}));
    EXPECT_EQ(decode_word(*encode_bl(origin, target), origin), (Decoded{Operation::Call, 4, target, 0}));
    const SiteBytes on = encode(SiteForm::AlignedWord, origin, {true, target});
    EXPECT_EQ(decode({on.bytes.data(), on.length}, origin), (Decoded{Operation::Jump, 4, target, 0}));
  }
  const SiteBytes off = encode(SiteForm::AlignedWord, origin, {false, origin + 4});
  EXPECT_EQ(decode({off.bytes.data(), off.length}, origin), (Decoded{Operation::Nop, 4, 0, 0}));
  EXPECT_EQ(decode_word(encode_brk(0xBEEF), origin), (Decoded{Operation::Trap, 4, 0, 0xBEEF}));
}

TEST(Arm64Decode, RefusesWhatIsNoneOfOursOrTooShort) {
  EXPECT_EQ(decode_word(0x8B000000, origin).operation, Operation::Unknown);  // add
  EXPECT_EQ(decode_word(0x54000040, origin).operation, Operation::Unknown);  // b.eq
  EXPECT_EQ(decode_word(0xD503203F, origin).operation, Operation::Unknown);  // yield: a hint, but no nop
  const std::vector<std::uint8_t> short_code = {0x1F, 0x20, 0x03};
  EXPECT_EQ(decode(short_code, origin).operation, Operation::Unknown);
}

TEST(Arm64Decode, SpeaksAssembly) {
  const auto assembly = [](std::uint32_t word) { return std::string(text(decode_word(word, origin), origin).view()); };
  EXPECT_EQ(assembly(nop_word), "nop");
  EXPECT_EQ(assembly(*encode_b(origin, origin + 0x1234)), "b +0x1234");
  EXPECT_EQ(assembly(*encode_bl(origin, origin - 0x10)), "bl -0x10");
  EXPECT_EQ(assembly(encode_brk(1)), "brk 0x1");
  EXPECT_EQ(assembly(0), "(unknown)");
}

TEST(Arm64Encode, FreeCodeTraps) {
  std::vector<std::uint8_t> code(14, 0x77);
  fill_with_traps(code);
  for (std::uint64_t at = 0; at + 4 <= code.size(); at += 4) {
    EXPECT_EQ(decode({code.data() + at, 4}, origin + at).operation, Operation::Trap);
  }
  EXPECT_EQ(code[12], 0);
  EXPECT_EQ(code[13], 0);
}

}  // namespace
}  // namespace shunt::arch::arm64
