#include "arch/x86_64/breakpoint.h"

#include <gtest/gtest.h>

#include <array>

#include "arch/backend.h"

namespace shunt::arch::x86_64 {
namespace {

constexpr std::uint64_t base = 0x7F00'0000'0000;
constexpr std::array forms = {SiteForm::Toggle,    SiteForm::AlignedWord,       SiteForm::Redirect,     SiteForm::Call,
                              SiteForm::Unaligned, SiteForm::UnalignedRedirect, SiteForm::UnalignedCall};

TEST(X86Breakpoint, UnalignedFormsNeedIt) {
  for (SiteForm form : forms) EXPECT_EQ(needs_breakpoint(form), is_unaligned(form));
  static_assert(breakpoint_byte == 0xCC);
}

TEST(X86Breakpoint, GoesOnAsTheNewInstructionWould) {
  constexpr std::uint64_t target = base + 0x123456;
  for (std::uint64_t address = base; address < base + 64; ++address) {
    for (SiteForm form : forms) {
      const std::uint64_t behind = address + site_length(form, address);
      EXPECT_EQ(resumption(form, address, {true, target}), (Resumption{target, is_call(form) ? behind : 0}));
      EXPECT_EQ(resumption(form, address, {false, target}), (Resumption{is_redirect(form) ? target : behind, 0}));
    }
  }
}

TEST(X86Breakpoint, NoSiteBeginsWithABreakpoint) {
  for (SiteForm form : forms) {
    for (std::uint64_t address = base; address < base + 8; ++address) {
      for (bool branches : {false, true}) {
        EXPECT_TRUE(may_begin_site(encode(form, address, {branches, base + 0xCCCC}).bytes[0]));
      }
    }
  }
  EXPECT_FALSE(may_begin_site(*breakpoint_byte));
  EXPECT_FALSE(may_begin_site(0x03)) << "the last byte of the two-byte `int 3`";
}

TEST(X86Breakpoint, UnalignedSitesAreRecognisedInEveryState) {
  std::array<std::uint8_t, 24> code{};
  for (SiteForm form : {SiteForm::Unaligned, SiteForm::UnalignedRedirect, SiteForm::UnalignedCall}) {
    for (std::uint64_t place = 0; place < 16; ++place) {
      for (bool branches : {false, true}) {
        const Direction direction{branches, base + 0x1234};
        const SiteBytes site = encode(form, base + place, direction);
        std::copy_n(site.bytes.begin(), site.length, code.begin() + place);
        EXPECT_TRUE(is_site(&code[place], form, base + place));
        EXPECT_TRUE(holds(&code[place], form, base + place, direction));
        for (std::size_t byte = 0; byte < core_length; ++byte) {
          code[place + byte] ^= 0x40;
          EXPECT_FALSE(holds(&code[place], form, base + place, direction));
          code[place + byte] ^= 0x40;
        }
        code[place] = *breakpoint_byte;
        EXPECT_FALSE(is_site(&code[place], form, base + place));
      }
    }
  }
}

TEST(Arm64Breakpoint, DoesNotExist) {
  static_assert(!arm64::InstructionSet::breakpoint.has_value());
  for (SiteForm form : forms) EXPECT_FALSE(arm64::needs_breakpoint(form));
  for (SiteForm form : {SiteForm::Unaligned, SiteForm::UnalignedRedirect, SiteForm::UnalignedCall}) {
    EXPECT_FALSE(arm64::supports(form));
  }
}

}  // namespace
}  // namespace shunt::arch::x86_64
