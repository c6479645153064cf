#include "arch/x86_64/transition.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <random>

namespace shunt::arch::x86_64 {
namespace {

constexpr std::uint64_t start = 0x4000'0000;

// 64 random bytes at `start` with a site somewhere in the middle.
class CodeWithSite {
 public:
  CodeWithSite(SiteForm site_form, std::uint64_t site_address, Direction direction)
      : form(site_form), address(site_address) {
    std::mt19937 random(static_cast<std::uint32_t>(site_address));
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
    const SiteBytes site = encode(form, address, direction);
    std::memcpy(at(), site.bytes.data(), site.length);
  }
  std::uint8_t* at() { return bytes.data() + (address - start); }
  [[nodiscard]] const std::uint8_t* at() const { return bytes.data() + (address - start); }
  void apply(const SiteStore& store) {
    EXPECT_TRUE(store.size == 1 || store.size == 8);
    EXPECT_EQ((address + static_cast<std::uint64_t>(store.offset)) % store.size, 0U)
        << "the store is not naturally aligned";
    std::uint64_t old_value = 0;
    std::memcpy(&old_value, at() + store.offset, store.size);
    EXPECT_EQ(old_value, store.old_value);
    std::memcpy(at() + store.offset, &store.new_value, store.size);
  }

  SiteForm form;
  std::uint64_t address;
  alignas(8) std::array<std::uint8_t, 64> bytes{};
};

// The ends of what every site of these tests reaches, so that every bit of the displacement changes.
constexpr Direction far_ahead{true, start + 8 + 0x7FFF'FFFF};
constexpr Direction far_back{true, start + 48 - 0x8000'0000};

TEST(X86Transition, OneStoreRewritesTheSiteAndNothingElse) {
  const Direction a{true, start + 0x1000'0000};
  const Direction b{true, start - 0x0ABC'DEF0};
  const Direction off{false, a.target};
  struct Case {
    SiteForm form;
    Direction from, to;
  };
  const std::array cases = {Case{SiteForm::Toggle, off, a},
                            Case{SiteForm::Toggle, a, off},
                            Case{SiteForm::AlignedWord, off, a},
                            Case{SiteForm::AlignedWord, a, off},
                            Case{SiteForm::AlignedWord, a, b},
                            Case{SiteForm::Redirect, a, b},
                            Case{SiteForm::Redirect, far_ahead, far_back},
                            Case{SiteForm::Redirect, far_back, far_ahead},
                            Case{SiteForm::Call, off, a},
                            Case{SiteForm::Call, a, off},
                            Case{SiteForm::Call, a, b},
                            Case{SiteForm::Call, off, far_ahead},
                            Case{SiteForm::Call, far_ahead, far_back}};
  for (const Case& c : cases) {
    ASSERT_TRUE(legal(c.form, c.from, c.to));
    for (std::uint64_t address = start + 8; address < start + 40; ++address) {
      ASSERT_TRUE(!c.from.branches || reaches(c.form, address, c.from.target));
      ASSERT_TRUE(!c.to.branches || reaches(c.form, address, c.to.target));
      CodeWithSite code(c.form, address, c.from);
      const auto before = code.bytes;
      code.apply(rewrite(code.at(), c.form, address, c.to));

      auto expected = before;
      const SiteBytes site = encode(c.form, address, c.to);
      std::memcpy(expected.data() + (address - start), site.bytes.data(), site.length);
      EXPECT_EQ(code.bytes, expected) << "at address " << address;
    }
  }
}

TEST(X86Transition, HoldsSeesEveryBitOfTheSiteAndNoOther) {
  const Direction on{true, start + 0x100};
  const Direction off{false, start + 0x100};
  const Direction elsewhere{true, start + 0x101};
  for (SiteForm form : {SiteForm::Toggle, SiteForm::AlignedWord, SiteForm::Redirect, SiteForm::Call}) {
    for (Direction direction : {on, form == SiteForm::Redirect ? elsewhere : off}) {
      for (std::uint64_t address = start + 16; address < start + 24; ++address) {
        CodeWithSite code(form, address, direction);
        ASSERT_TRUE(holds(code.at(), form, address, direction));
        EXPECT_FALSE(holds(code.at(), form, address, direction == on ? elsewhere : on));
        EXPECT_EQ(holds(code.at(), form, address, off),
                  direction == off || (form == SiteForm::Redirect && direction == on))
            << "a Redirect has no state that falls through";
        const std::uint64_t first = address - start;
        const std::uint64_t last = first + site_length(form, address);
        for (std::uint64_t byte = 0; byte < code.bytes.size(); ++byte) {
          for (int bit = 0; bit < 8; ++bit) {
            code.bytes[byte] ^= static_cast<std::uint8_t>(1 << bit);
            EXPECT_EQ(holds(code.at(), form, address, direction), byte < first || byte >= last) << byte;
            code.bytes[byte] ^= static_cast<std::uint8_t>(1 << bit);
          }
        }
      }
    }
  }
}

TEST(X86Transition, AToggleCannotChangeItsTarget) {
  EXPECT_FALSE(legal(SiteForm::Toggle, {true, start}, {true, start + 1}));
  EXPECT_FALSE(legal(SiteForm::Toggle, {false, start}, {true, start + 1}));
  for (SiteForm form : {SiteForm::AlignedWord, SiteForm::Redirect, SiteForm::Call})
    EXPECT_TRUE(legal(form, {true, start}, {true, start + 1}));
}

TEST(X86Transition, ARedirectNeverFallsThrough) {
  EXPECT_FALSE(legal(SiteForm::Redirect, {false, start}, {true, start}));
  EXPECT_FALSE(legal(SiteForm::Redirect, {true, start}, {false, start}));
  EXPECT_TRUE(legal(SiteForm::Call, {false, start}, {true, start}));
}

TEST(X86Transition, IsSiteAcceptsEitherStateWithAnyTarget) {
  for (std::uint64_t address = start + 16; address < start + 24; ++address) {
    for (bool branches : {false, true}) {
      for (SiteForm form : {SiteForm::Toggle, SiteForm::AlignedWord, SiteForm::Redirect, SiteForm::Call}) {
        CodeWithSite code(form, address, {branches, start + 0x77});
        EXPECT_TRUE(is_site(code.at(), form, address));
        code.at()[prefix_length(form, address)] ^= 0x01;
        EXPECT_FALSE(is_site(code.at(), form, address));
      }
    }
    const CodeWithSite no_op(SiteForm::AlignedWord, address, {}), jump(SiteForm::AlignedWord, address, {true, start});
    EXPECT_FALSE(is_site(no_op.at(), SiteForm::Redirect, address));
    EXPECT_TRUE(is_site(no_op.at(), SiteForm::Call, address));
    EXPECT_FALSE(is_site(jump.at(), SiteForm::Call, address));
    const CodeWithSite call(SiteForm::Call, address, {true, start});
    EXPECT_FALSE(is_site(call.at(), SiteForm::AlignedWord, address));
    EXPECT_FALSE(is_site(call.at(), SiteForm::Redirect, address));
    if (prefix_length(SiteForm::AlignedWord, address) != 0) {
      CodeWithSite code(SiteForm::AlignedWord, address, {});
      code.at()[0] = 0x66;
      EXPECT_FALSE(is_site(code.at(), SiteForm::AlignedWord, address));
    }
  }
}

}  // namespace
}  // namespace shunt::arch::x86_64
