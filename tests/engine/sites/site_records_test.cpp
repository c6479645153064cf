#include "engine/sites/site_records.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <random>
#include <vector>

namespace shunt::detail {
namespace {

std::vector<std::uint32_t> offsets(const SiteRecords& records) {
  std::vector<std::uint32_t> all;
  records.for_each(
      [&](const SiteView& site) {
        all.push_back(site.offset);
        return true;
      },
      [](std::uint32_t) {});
  return all;
}

void add(SiteRecords& records, std::uint32_t offset, SiteForm form, std::vector<std::uint32_t> targets) {
  records.reserve(1);
  records.append(offset, form, targets);
}

TEST(SiteRecords, KeepsWhatIsInARecord) {
  SiteRecords two(2);
  add(two, 0, SiteForm::Toggle, {SiteRecords::max_offset});
  add(two, SiteRecords::max_offset, SiteForm::AlignedWord, {0});
  EXPECT_EQ(two.size(), 2U);
  const SiteView first = two.at(two.find(0));
  EXPECT_EQ(first.form, SiteForm::Toggle);
  EXPECT_EQ(first.target(0), SiteRecords::max_offset) << "a Toggle keeps its displacement";
  EXPECT_EQ(first.target(1), SiteRecords::max_offset);
  const SiteView last = two.at(two.find(SiteRecords::max_offset));
  EXPECT_EQ(last.offset, SiteRecords::max_offset);
  EXPECT_EQ(last.form, SiteForm::AlignedWord);
  EXPECT_EQ(two.find(1), SiteRecords::none);

  SiteRecords three(3);
  add(three, 16, SiteForm::AlignedWord, {100, 200});
  EXPECT_EQ(three.at(0).target(1), 100U);
  EXPECT_EQ(three.at(0).target(2), 200U);
  three.set_target(0, 2, 300);
  EXPECT_EQ(three.at(0).target(2), 300U);
}

TEST(SiteRecords, WalksRecordsThatBelongToSomebodyElse) {
  std::array<std::uint32_t, 12> table{};  // three records, 16 bytes apart
  for (std::uint32_t i = 0; i < 3; ++i)
    SiteRecords::pack(&table[i * 4], 100 * i, i == 1 ? SiteForm::AlignedWord : SiteForm::Toggle, 1000 + i);
  SiteRecords records(table.data(), 3, 4, true);
  EXPECT_EQ(records.foreign(), table.data());
  EXPECT_EQ(records.size(), 3U);
  EXPECT_EQ(records.bytes(), 0U) << "nothing is copied";
  records.sort();
  EXPECT_EQ(offsets(records), (std::vector<std::uint32_t>{0, 100, 200}));
  const SiteView site = records.at(records.find(100));
  EXPECT_EQ(site.form, SiteForm::AlignedWord);
  EXPECT_EQ(site.target(0), 1001U);
  EXPECT_EQ(site.target(1), 1001U);
  EXPECT_TRUE(site.branches(0)) << "inverted";
  EXPECT_FALSE(site.branches(1));
  EXPECT_EQ(records.find(50), SiteRecords::none);

  const SiteRecords upright(table.data(), 3, 4, false);
  EXPECT_FALSE(upright.at(0).branches(0));
  EXPECT_TRUE(upright.at(0).branches(1));
}

TEST(SiteRecords, KeepsEveryFormAndItsTargetsApart) {
  SiteRecords records(2);
  const std::array forms = {SiteForm::Toggle, SiteForm::AlignedWord, SiteForm::Call};
  for (std::uint32_t i = 0; i < forms.size(); ++i) add(records, i * 16, forms[i], {SiteRecords::max_offset - i});
  for (int round = 0; round < 2; ++round) {
    for (std::uint32_t i = 0; i < forms.size(); ++i) {
      const SiteView site = records.at(records.find(i * 16));
      EXPECT_EQ(site.form, forms[i]);
      EXPECT_EQ(site.target(0), SiteRecords::max_offset - i);
      EXPECT_EQ(site.target(1), SiteRecords::max_offset - i);
      records.set_target(records.find(i * 16), 1, 0);
      EXPECT_EQ(records.at(records.find(i * 16)).form, forms[i]) << "a target does not touch the form";
      EXPECT_EQ(records.at(records.find(i * 16)).target(1), 0U);
      records.set_target(records.find(i * 16), 1, SiteRecords::max_offset - i);
    }
    records.sort();
  }
  EXPECT_EQ(records.remove(32, 33), 1U);
  EXPECT_EQ(records.find(32), SiteRecords::none) << "whatever its form's bits";
  EXPECT_EQ(records.size(), 2U);
}

TEST(SiteRecords, OfUnalignedFormsHaveShapesOfTheirOwn) {
  SiteRecords records(2, shape_of(SiteForm::Unaligned));
  add(records, 0, SiteForm::Unaligned, {100});
  add(records, 16, SiteForm::UnalignedCall, {SiteRecords::max_offset});
  EXPECT_EQ(records.at(records.find(0)).form, SiteForm::Unaligned);
  EXPECT_EQ(records.at(records.find(16)).form, SiteForm::UnalignedCall);
  EXPECT_EQ(records.at(records.find(16)).target(1), SiteRecords::max_offset);
  EXPECT_EQ(shape_of(SiteForm::UnalignedCall), shape_of(SiteForm::Unaligned));

  SiteRecords redirects(2, shape_of(SiteForm::UnalignedRedirect));
  add(redirects, 8, SiteForm::UnalignedRedirect, {100, 200});
  redirects.set_target(redirects.find(8), 0, 101);
  EXPECT_EQ(redirects.at(redirects.find(8)).form, SiteForm::UnalignedRedirect);
  EXPECT_EQ(redirects.at(redirects.find(8)).target(0), 101U);
  EXPECT_EQ(redirects.at(redirects.find(8)).target(1), 200U);
}

TEST(SiteRecords, OfRedirectsHaveATargetForEachState) {
  SiteRecords records(2, Shape::Redirect);
  add(records, 8, SiteForm::Redirect, {100, 200});
  add(records, 0, SiteForm::Redirect, {300, 400});
  records.sort();
  EXPECT_EQ(offsets(records), (std::vector<std::uint32_t>{0, 8}));
  const SiteView site = records.at(records.find(8));
  EXPECT_EQ(site.form, SiteForm::Redirect);
  EXPECT_EQ(site.target(0), 100U);
  EXPECT_EQ(site.target(1), 200U);
  records.set_target(records.find(8), 0, 101);
  records.set_target(records.find(8), 1, 201);
  EXPECT_EQ(records.at(records.find(8)).target(0), 101U);
  EXPECT_EQ(records.at(records.find(8)).target(1), 201U);
  EXPECT_EQ(records.at(records.find(8)).offset, 8U);
  EXPECT_EQ(records.remove(0, 16), 2U);
  EXPECT_EQ(records.size(), 0U);
}

TEST(SiteRecords, CostsEightBytesASiteAndFourMoreForEachFurtherTarget) {
  for (auto [states, bytes] : {std::pair{2U, 8U}, {3U, 12U}, {5U, 20U}}) {
    SiteRecords records(states);
    const std::vector<std::uint32_t> targets(states - 1, 7);
    records.reserve(1000);
    for (std::uint32_t i = 0; i < 1000; ++i) records.append(i * 8, SiteForm::AlignedWord, targets);
    EXPECT_EQ(records.bytes(), 1000U * bytes);
  }
}

TEST(SiteRecords, AppendedInAnyOrderIteratedByAddress) {
  SiteRecords records(2);
  for (std::uint32_t offset : {80U, 90U, 10U, 20U, 85U, 5U}) add(records, offset, SiteForm::Toggle, {0});
  EXPECT_NE(records.find(85), SiteRecords::none) << "found before it is sorted in";
  records.sort();
  EXPECT_EQ(offsets(records), (std::vector<std::uint32_t>{5, 10, 20, 80, 85, 90}));
}

TEST(SiteRecords, AnnouncesRecordsAndStopsWhenTold) {
  for (unsigned states : {2U, 3U}) {
    SiteRecords records(states);
    const std::vector<std::uint32_t> targets(states - 1, 7);
    records.reserve(1000);
    for (std::uint32_t i = 0; i < 1000; ++i) records.append(i * 8, SiteForm::AlignedWord, targets);
    std::uint32_t visited = 0;
    std::vector<std::uint32_t> announced;
    records.for_each(
        [&](const SiteView& site) {
          EXPECT_EQ(site.offset, visited * 8);
          return ++visited < 990;
        },
        [&](std::uint32_t offset) {
          EXPECT_GT(offset, visited * 8);
          announced.push_back(offset);
        });
    EXPECT_EQ(visited, 990U);
    EXPECT_EQ(announced.back(), 999U * 8);
  }
}

TEST(SiteRecords, RemovesARangeAlsoOfWhatIsNotSortedIn) {
  SiteRecords records(2);
  for (std::uint32_t offset : {80U, 90U, 10U, 20U, 85U, 5U}) add(records, offset, SiteForm::Toggle, {0});
  EXPECT_EQ(records.remove(10, 85), 3U);
  EXPECT_EQ(records.size(), 3U);
  EXPECT_EQ(records.remove(10, 85), 0U);
  EXPECT_EQ(records.find(10), SiteRecords::none);
  add(records, 10, SiteForm::AlignedWord, {1});  // code that reuses the address
  EXPECT_EQ(records.at(records.find(10)).form, SiteForm::AlignedWord);
  records.sort();
  EXPECT_EQ(offsets(records), (std::vector<std::uint32_t>{5, 10, 85, 90}));
}

// Code that comes and goes while its key never flips must not leave its records behind.
TEST(SiteRecords, DoNotGrowWithWhatIsRemoved) {
  SiteRecords records(2);
  for (std::uint32_t i = 0; i < 100'000; ++i) {
    add(records, i % 7 * 64, SiteForm::Toggle, {0});
    ASSERT_EQ(records.remove(i % 7 * 64, i % 7 * 64 + 64), 1U);
  }
  EXPECT_LT(records.bytes(), 1024U);
  for (std::uint32_t i = 0; i < 20'000; ++i) add(records, (i * 7919 % 20'000) * 8, SiteForm::Toggle, {0});
  for (std::uint32_t i = 0; i < 20'000; ++i) ASSERT_EQ(records.remove(i * 8, i * 8 + 8), 1U);
  EXPECT_EQ(records.size(), 0U);
}

// Against the simplest model: a map.
TEST(SiteRecords, BehavesLikeAMapByOffset) {
  constexpr unsigned seed = 4711;
  std::mt19937 random(seed);
  SiteRecords records(3);
  std::map<std::uint32_t, std::array<std::uint32_t, 2>> model;
  for (int step = 0; step < 3000; ++step) {
    const std::uint32_t offset = random() % 5000;
    switch (random() % 8) {
      case 0: {
        const std::uint32_t end = offset + random() % 300;
        const auto first = model.lower_bound(offset);
        const auto last = model.lower_bound(end);
        ASSERT_EQ(records.remove(offset, end), static_cast<std::size_t>(std::distance(first, last)));
        model.erase(first, last);
        break;
      }
      case 1: {
        records.sort();
        std::vector<std::uint32_t> expected;
        for (const auto& [at, targets] : model) expected.push_back(at);
        ASSERT_EQ(offsets(records), expected);
        break;
      }
      default:
        if (!model.contains(offset)) {
          model[offset] = {static_cast<std::uint32_t>(random() % 1000), static_cast<std::uint32_t>(random() % 1000)};
          add(records, offset, SiteForm::AlignedWord, {model[offset][0], model[offset][1]});
        }
        break;
    }
    ASSERT_EQ(records.size(), model.size());
    const std::size_t slot = records.find(offset);
    ASSERT_EQ(slot != SiteRecords::none, model.contains(offset));
    if (slot != SiteRecords::none) {
      ASSERT_EQ(records.at(slot).target(2), model[offset][1]);
    }
  }
}

}  // namespace
}  // namespace shunt::detail
