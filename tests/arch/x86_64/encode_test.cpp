#include "arch/x86_64/encode.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "arch/x86_64/decode.h"

namespace shunt::arch::x86_64 {
namespace {

constexpr std::uint64_t origin = 0x7000'0000'0000;  // beyond 2 GiB, so that a truncated address shows

std::string hex(const SiteBytes& site) {
  std::string text;
  for (unsigned i = 0; i < site.length; ++i) {
    constexpr char digits[] = "0123456789abcdef";
    text += digits[site.bytes[i] >> 4];
    text += digits[site.bytes[i] & 15];
  }
  return text;
}

TEST(X86Encode, ToggleKeepsItsDisplacementInBothStates) {
  EXPECT_EQ(hex(encode(SiteForm::Toggle, origin, {false, origin + 0x12345679})), "a974563412");
  EXPECT_EQ(hex(encode(SiteForm::Toggle, origin, {true, origin + 0x12345679})), "e974563412");
}

TEST(X86Encode, AlignedWordCarriesPrefixesOnlyWhereItWouldCrossAWord) {
  EXPECT_EQ(hex(encode(SiteForm::AlignedWord, origin + 3, {false, 0})), "0f1f440000");
  EXPECT_EQ(hex(encode(SiteForm::AlignedWord, origin + 4, {false, 0})), "2e2e2e2e0f1f440000");
  EXPECT_EQ(hex(encode(SiteForm::AlignedWord, origin + 7, {false, 0})), "2e0f1f440000");
  EXPECT_EQ(hex(encode(SiteForm::AlignedWord, origin + 7, {true, origin + 13})), "2ee900000000");
}

TEST(X86Encode, RedirectsBranchInEveryState) {
  for (bool branches : {false, true}) {
    EXPECT_EQ(hex(encode(SiteForm::Redirect, origin, {branches, origin + 0x12345679})), "e974563412");
    EXPECT_EQ(hex(encode(SiteForm::Redirect, origin + 5, {branches, origin + 0x1234567d})), "2e2e2ee970563412");
  }
}

TEST(X86Encode, CallsCallOrFallThrough) {
  EXPECT_EQ(hex(encode(SiteForm::Call, origin + 3, {false, 0})), "0f1f440000");
  EXPECT_EQ(hex(encode(SiteForm::Call, origin + 3, {true, origin + 0x12345678 + 8})), "e878563412");
  EXPECT_EQ(hex(encode(SiteForm::Call, origin + 6, {false, 0})), "2e2e0f1f440000");
  EXPECT_EQ(hex(encode(SiteForm::Call, origin + 6, {true, origin + 13})), "2e2ee800000000");
}

TEST(X86Encode, ChangingBytesLieInOneWordAtEveryAddress) {
  for (SiteForm form : {SiteForm::AlignedWord, SiteForm::Redirect, SiteForm::Call}) {
    unsigned padding = 0;
    for (std::uint64_t address = origin; address < origin + 64; ++address) {
      const unsigned prefixes = prefix_length(form, address);
      EXPECT_EQ((address + prefixes) / 8, (address + prefixes + core_length - 1) / 8) << address;
      EXPECT_EQ(site_length(form, address), core_length + prefixes);
      EXPECT_LE(site_length(form, address), max_site_length);
      padding += prefixes;
    }
    EXPECT_EQ(padding, 64 * 10 / 8);  // 1.25 bytes on average
  }
  EXPECT_EQ(site_length(SiteForm::Toggle, origin + 5), core_length);
}

TEST(X86Encode, UnalignedFormsAreFiveBytesAtEveryAddress) {
  for (std::uint64_t address = origin; address < origin + 64; ++address) {
    EXPECT_EQ(hex(encode(SiteForm::Unaligned, address, {false, 0})), "0f1f440000");
    EXPECT_EQ(hex(encode(SiteForm::Unaligned, address, {true, address + 0x1234567d})), "e978563412");
    EXPECT_EQ(hex(encode(SiteForm::UnalignedRedirect, address, {false, address + 0x1234567d})), "e978563412");
    EXPECT_EQ(hex(encode(SiteForm::UnalignedCall, address, {false, 0})), "0f1f440000");
    EXPECT_EQ(hex(encode(SiteForm::UnalignedCall, address, {true, address + 0x1234567d})), "e878563412");
  }
}

TEST(X86Encode, ReachEndsAtTheRangeOfRel32) {
  for (SiteForm form : {SiteForm::Toggle, SiteForm::AlignedWord, SiteForm::Redirect, SiteForm::Call,
                        SiteForm::Unaligned, SiteForm::UnalignedRedirect, SiteForm::UnalignedCall}) {
    for (std::uint64_t address = origin; address < origin + 8; ++address) {
      const std::uint64_t after = address + site_length(form, address);
      EXPECT_TRUE(reaches(form, address, after + 0x7FFF'FFFF));
      EXPECT_FALSE(reaches(form, address, after + 0x8000'0000));
      EXPECT_TRUE(reaches(form, address, after - 0x8000'0000));
      EXPECT_FALSE(reaches(form, address, after - 0x8000'0001));
    }
  }
}

TEST(X86Decode, IsTheInverseOfEncode) {
  const std::vector<std::int64_t> distances = {0, 1, -1, 0x1234, -0x1234, 0x7FFF'FF00, -0x7FFF'FF00};
  for (std::uint64_t address = origin; address < origin + 64; ++address) {
    for (std::int64_t distance : distances) {
      const std::uint64_t target = address + static_cast<std::uint64_t>(distance);
      for (SiteForm form : {SiteForm::Toggle, SiteForm::AlignedWord, SiteForm::Redirect, SiteForm::Call}) {
        const Operation branch = form == SiteForm::Call ? Operation::Call : Operation::Jump;
        const SiteBytes on = encode(form, address, {true, target});
        EXPECT_EQ(decode({on.bytes.data(), on.length}, address), (Decoded{branch, on.length, target, 0}));
        if (form == SiteForm::Redirect) continue;
        const SiteBytes off = encode(form, address, {false, target});
        const Decoded decoded = decode({off.bytes.data(), off.length}, address);
        EXPECT_EQ(decoded.length, off.length);
        EXPECT_EQ(decoded.operation, form == SiteForm::Toggle ? Operation::Test : Operation::Nop);
        if (form == SiteForm::Toggle) {
          EXPECT_EQ(decoded.immediate, static_cast<std::uint32_t>(target - address - core_length));
        }
      }
    }
  }
}

TEST(X86Decode, RefusesWhatIsNoneOfOursOrTooShort) {
  const auto operation = [](std::vector<std::uint8_t> bytes) { return decode(bytes, origin).operation; };
  EXPECT_EQ(operation({}), Operation::Unknown);
  EXPECT_EQ(operation({0xE9, 0, 0, 0}), Operation::Unknown);
  EXPECT_EQ(operation({0x90, 0x90, 0x90, 0x90, 0x90}), Operation::Unknown);
  EXPECT_EQ(operation({0x0F, 0x1F, 0x44, 0x00, 0x01}), Operation::Unknown);
  EXPECT_EQ(operation({0x2E, 0xA9, 0, 0, 0, 0}), Operation::Unknown);  // a Toggle has no prefixes
  EXPECT_EQ(operation({0x2E, 0x2E, 0x2E, 0x2E, 0x2E, 0xE9, 0, 0, 0, 0}), Operation::Unknown);  // five are too many
  EXPECT_EQ(operation({0x2E, 0x2E, 0x2E, 0x2E, 0x2E, 0xE8, 0, 0, 0, 0}), Operation::Unknown);
  EXPECT_EQ(operation({0xCC}), Operation::Trap);
}

TEST(X86Decode, SpeaksAssembly) {
  const auto assembly = [](SiteForm form, std::uint64_t address, Direction direction) {
    const SiteBytes site = encode(form, address, direction);
    return std::string(text(decode({site.bytes.data(), site.length}, address), address).view());
  };
  EXPECT_EQ(assembly(SiteForm::AlignedWord, origin + 5, {false, 0}), "nop");
  EXPECT_EQ(assembly(SiteForm::AlignedWord, origin + 5, {true, origin + 5 + 0x1234}), "jmp +0x1234");
  EXPECT_EQ(assembly(SiteForm::Call, origin + 5, {true, origin + 5 + 0x1234}), "call +0x1234");
  EXPECT_EQ(assembly(SiteForm::Call, origin + 5, {true, origin}), "call -0x5");
  EXPECT_EQ(assembly(SiteForm::Toggle, origin, {true, origin - 0x10}), "jmp -0x10");
  EXPECT_EQ(assembly(SiteForm::Toggle, origin, {false, origin + 5 + 0x1234}), "test eax, 0x1234");
  EXPECT_EQ(text(decode({}, origin), origin).view(), "(unknown)");
}

TEST(X86Encode, FreeCodeTraps) {
  std::vector<std::uint8_t> code(37, 0);
  fill_with_traps(code);
  for (std::uint8_t byte : code) EXPECT_EQ(byte, 0xCC);
}

}  // namespace
}  // namespace shunt::arch::x86_64
