// A flag set's promises: readers, keys and cells follow the definitions; one batch a load; the last good flags stay in
// force.
#include <gtest/gtest.h>

#include <atomic>
#include <bit>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "flag_set_fixture.h"

namespace shunt::flags {
namespace {

TEST_F(FlagSetTest, AbsentFlagsReadAsZero) {
  Flag& f = want("f");
  EXPECT_EQ(f.key(), "f");
  for (const FlagType type : {FlagType::I32, FlagType::I64, FlagType::F64, FlagType::String})
    EXPECT_EQ(f.bits(type), 0U);
  EXPECT_EQ(*f.text(), "");
  EXPECT_FALSE(is_on(f.truth()));
  EXPECT_FALSE(is_on(f.variant("on")));
  EXPECT_EQ(f.number(FlagType::I32).state(), 0U);
  EXPECT_EQ(set_.value("f"), std::nullopt);
  EXPECT_TRUE(set_.keys().empty());
}

TEST_F(FlagSetTest, KeysThatAreMadeLaterHaveTheStateInForce) {
  load(document(
      {flag("b", on_off, "on"), flag("n", numbers, "many"), flag("one", numbers, "one"), flag("s", colours, "green")}));
  EXPECT_TRUE(is_on(want("b").truth()));
  EXPECT_TRUE(is_on(want("b=on").variant("on")));
  EXPECT_FALSE(is_on(want("b=off").variant("off")));
  EXPECT_EQ(want("n").number(FlagType::I32).state(), 2U);
  EXPECT_EQ(want("one").number(FlagType::I32).state(), 1U);
  EXPECT_EQ(want("one", FlagType::I64).number(FlagType::I64).state(), 2U);
  EXPECT_EQ(want("one", FlagType::F64).number(FlagType::F64).state(), 2U);
  EXPECT_TRUE(is_on(want("s=green").variant("green")));
  EXPECT_EQ(*want("s", FlagType::String).text(), "G");

  // New sites begin in that state as well.
  const Code code = host_.site_of(want("n").number(FlagType::I32));
  EXPECT_EQ(host_.state_in_memory(code), 2U);
}

TEST_F(FlagSetTest, KeysAndCellsStayWhereTheyAre) {
  Flag& f = want("f");
  DemotableSwitch* truth = &f.truth();
  DemotableSwitch* number = &f.number(FlagType::F64);
  DemotableSwitch* variant = &f.variant("x");
  const auto* cell = &f.bits(FlagType::I32);
  for (int i = 0; i < 50; ++i) want("other" + std::to_string(i)).truth();
  load(document({flag("f", numbers, "one")}));
  EXPECT_EQ(&want("f", FlagType::I64), &f);
  EXPECT_EQ(&f.truth(), truth);
  EXPECT_EQ(&f.number(FlagType::F64), number);
  EXPECT_EQ(&f.variant("x"), variant);
  EXPECT_EQ(&f.bits(FlagType::I32), cell);
  EXPECT_STREQ(truth->name(), "f");
  EXPECT_STREQ(number->name(), "f:f64");
  EXPECT_STREQ(variant->name(), "f=x");
}

TEST_F(FlagSetTest, OneBatchForAllThatChanged) {
  Flag& b = want("b");
  Flag& n = want("n");
  want("n", FlagType::F64);
  Flag& s = want("s=red");
  const Code sites[] = {host_.site_of(b.truth()), host_.site_of(n.number(FlagType::I32)),
                        host_.site_of(n.number(FlagType::F64)), host_.site_of(s.variant("red")),
                        host_.site_of(s.variant("green"))};
  const int before = host_.serialiser.calls;
  const LoadReport report =
      load(document({flag("b", on_off, "on"), flag("n", numbers, "one"), flag("s", colours, "red")}));
  EXPECT_EQ(report.commit.serialisations, 1U);
  EXPECT_EQ(host_.serialiser.calls, before + 1);
  EXPECT_EQ(report.commit.sites_written, 4U);
  EXPECT_EQ(report.changed, (std::vector<std::string>{"b", "n", "s"}));
  const unsigned expected[] = {1, 1, 2, 1, 0};
  for (int i = 0; i < 5; ++i) EXPECT_EQ(host_.state_in_memory(sites[i]), expected[i]) << i;

  // The same again: nothing to write, nobody to serialise.
  const LoadReport again =
      load(document({flag("b", on_off, "on"), flag("n", numbers, "one"), flag("s", colours, "red")}));
  EXPECT_EQ(again.commit.serialisations, 0U);
  EXPECT_TRUE(again.changed.empty());
  EXPECT_EQ(host_.serialiser.calls, before + 1);

  // A flag that leaves the document reads as zero.
  EXPECT_EQ(load(document({flag("s", colours, "green")})).changed, (std::vector<std::string>{"b", "n", "s"}));
  const unsigned after[] = {0, 0, 0, 0, 1};
  for (int i = 0; i < 5; ++i) EXPECT_EQ(host_.state_in_memory(sites[i]), after[i]) << i;
}

TEST_F(FlagSetTest, CellsFollowEveryValue) {
  Flag& n = want("n");
  const struct {
    const char* variant;
    std::uint64_t i32, i64;
    double f64;
    unsigned state;
    bool truth;
  } cases[] = {{"many", 5000, 5000, 5000, 2, true},
               {"less", 0xfffffff9, 0xfffffffffffffff9, -7, 2, true},
               {"one", 1, 1, 1, 1, true},
               {"zero", 0, 0, 0, 0, false}};
  DemotableSwitch& number = n.number(FlagType::I32);
  DemotableSwitch& truth = n.truth();
  for (const auto& expected : cases) {
    load(document({flag("n", numbers, expected.variant)}));
    EXPECT_EQ(n.bits(FlagType::I32), expected.i32);
    EXPECT_EQ(n.bits(FlagType::I64), expected.i64);
    EXPECT_EQ(n.bits(FlagType::F64), std::bit_cast<std::uint64_t>(expected.f64));
    EXPECT_EQ(number.state(), expected.state);
    EXPECT_EQ(is_on(truth), expected.truth);
  }
}

// A thread that a new site has already sent to the cell finds the new value there.
TEST_F(FlagSetTest, CellsAreWrittenBeforeTheSites) {
  Flag& n = want("n");
  const Code site = host_.site_of(n.number(FlagType::I32));
  std::vector<std::uint64_t> seen;
  host_.serialiser.before = [&] { seen.push_back(n.bits(FlagType::I32)); };
  load(document({flag("n", numbers, "many")}));
  load(document({flag("n", numbers, "zero")}));
  EXPECT_EQ(seen, (std::vector<std::uint64_t>{5000, 0}));
}

TEST_F(FlagSetTest, MinusZeroIsAValueOfItsOwn) {
  Flag& f = want("f", FlagType::F64);
  DemotableSwitch& number = f.number(FlagType::F64);
  load(document({flag("f", "\"p\": 0.0, \"m\": -0.0", "m")}));
  EXPECT_EQ(f.bits(FlagType::F64), 0x8000000000000000U);
  EXPECT_EQ(number.state(), 2U);
  EXPECT_EQ(load(document({flag("f", "\"p\": 0.0, \"m\": -0.0", "p")})).changed, (std::vector<std::string>{"f"}));
  EXPECT_EQ(number.state(), 0U);
  ASSERT_TRUE(set_.set("f", std::numeric_limits<double>::quiet_NaN()));
  EXPECT_EQ(number.state(), 2U);
  EXPECT_TRUE(set_.set("f", std::numeric_limits<double>::quiet_NaN())->changed.empty());
}

TEST_F(FlagSetTest, DisabledReadsAsZeroButStaysDefined) {
  Flag& f = want("f");
  DemotableSwitch& truth = f.truth();
  load(document({flag("f", on_off, "on")}));
  EXPECT_TRUE(is_on(truth));
  load(document({flag("f", on_off, "on", "DISABLED")}));
  EXPECT_FALSE(is_on(truth));
  EXPECT_EQ(f.bits(FlagType::I32), 0U);
  EXPECT_EQ(set_.value("f"), std::nullopt);
  EXPECT_EQ(set_.keys(), (std::vector<std::string>{"f"}));
}

TEST_F(FlagSetTest, AVariantWithTheSameValueIsAChange) {
  Flag& f = want("f=b");
  DemotableSwitch& b = f.variant("b");
  load(document({flag("f", "\"a\": 1, \"b\": 1", "a")}));
  EXPECT_FALSE(is_on(b));
  EXPECT_EQ(load(document({flag("f", "\"a\": 1, \"b\": 1", "b")})).changed, (std::vector<std::string>{"f"}));
  EXPECT_TRUE(is_on(b));
}

TEST_F(FlagSetTest, WhateverIsWrongTheLastGoodFlagsStay) {
  Flag& f = want("f");
  const Code site = host_.site_of(f.truth());
  load(document({flag("f", on_off, "on")}));
  const int before = host_.serialiser.calls;
  for (const std::string& bad :
       {std::string("{"), std::string("{}"), document({flag("f", on_off, "maybe")}),
        document({flag("f", "\"a\": true, \"b\": 2", "a")}), document({flag("f", colours, "red")})}) {
    EXPECT_NE(refused(bad), "(loaded)");
    EXPECT_EQ(host_.state_in_memory(site), 1U);
    EXPECT_TRUE(is_on(f.truth()));
    EXPECT_EQ(f.bits(FlagType::I32), 1U);
    EXPECT_EQ(set_.value("f"), FlagValue(true));
  }
  EXPECT_EQ(host_.serialiser.calls, before);
}

TEST_F(FlagSetTest, ACommitThatFailsChangesNothing) {
  Flag& good = want("a", FlagType::F64);
  Flag& bad = want("b");
  const Code site = host_.site_of(good.number(FlagType::F64));
  load(document({flag("a", numbers, "one"), flag("b", on_off, "off")}));

  // A key that another engine took is a commit's error.
  EngineWithSites other;
  PatchBatch foreign(other.engine());
  foreign.set(bad.truth(), false);
  ASSERT_TRUE(foreign.commit());
  Result<LoadReport> report = set_.load_json(document({flag("a", numbers, "many"), flag("b", on_off, "on")}), "f.json");
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code(), ErrorCode::KeyBelongsToOtherEngine);
  EXPECT_EQ(good.bits(FlagType::F64), std::bit_cast<std::uint64_t>(1.0));
  EXPECT_EQ(bad.bits(FlagType::I32), 0U);
  EXPECT_EQ(set_.value("a"), FlagValue(std::int64_t{1}));
  EXPECT_EQ(host_.state_in_memory(site), 2U);
}

TEST_F(FlagSetTest, WhatIsWrittenButNotSerialisedIsInForce) {
  Flag& f = want("f");
  const Code site = host_.site_of(f.truth());
  host_.serialiser.fails = true;
  Result<LoadReport> report = set_.load_json(document({flag("f", on_off, "on")}), "f.json");
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code(), ErrorCode::SerialisationFailed);
  EXPECT_EQ(f.bits(FlagType::I32), 1U);  // as the site, which is written
  EXPECT_EQ(host_.state_in_memory(site), 1U);
  EXPECT_EQ(set_.value("f"), FlagValue(true));
  host_.serialiser.fails = false;
  EXPECT_TRUE(host_.engine().resynchronise());
  EXPECT_TRUE(is_on(f.truth()));
}

TEST_F(FlagSetTest, KeysThatAreMadeBeforeTheSerialisationIsRepaired) {
  const Code site = host_.site_of(want("f").truth());
  host_.serialiser.fails = true;
  EXPECT_FALSE(set_.load_json(document({flag("f", on_off, "on")}), "f.json"));
  DemotableSwitch& on = want("f=on").variant("on");
  host_.serialiser.fails = false;
  ASSERT_TRUE(host_.engine().resynchronise());
  const Code later = host_.site_of(on);
  EXPECT_EQ(host_.state_in_memory(later), 1U);
  EXPECT_TRUE(is_on(on));
}

class RecordingSource final : public StubSource {
 public:
  Status prepare(PatchBatch&, Flag& flag, FlagType type, std::uint64_t bits) override {
    // What a source may ask for while the set is locked.
    calls.push_back(flag.key() + "/" + std::to_string(static_cast<int>(type)) + "/" + std::to_string(bits) + " was " +
                    std::to_string(flag.bits(type)) + " in state " + std::to_string(flag.number(type).state()));
    if (fails) return make_error(ErrorCode::OutOfMemory, "no stub");
    return Ok{};
  }
  std::vector<std::string> calls;
  bool fails = false;
};

TEST_F(FlagSetTest, StubsArePreparedBeforeCellsAndSites) {
  RecordingSource source;
  ASSERT_TRUE(set_.add_stub_source(source));
  Flag& n = want("n");
  n.number(FlagType::I32), n.number(FlagType::I64);
  load(document({flag("n", numbers, "one")}));
  EXPECT_EQ(source.calls, (std::vector<std::string>{"n/1/1 was 0 in state 0"}));  // the I32 needs no stub for 1
  source.calls.clear();
  load(document({flag("n", numbers, "many")}));
  EXPECT_EQ(source.calls, (std::vector<std::string>{"n/0/5000 was 1 in state 1", "n/1/5000 was 1 in state 2"}));
  source.calls.clear();
  source.fails = true;
  Result<LoadReport> report = set_.load_json(document({flag("n", numbers, "less")}), "f.json");
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().message(), "no stub");
  EXPECT_EQ(n.bits(FlagType::I32), 5000U);
  set_.remove_stub_source(source);
  load(document({flag("n", numbers, "less")}));
  EXPECT_EQ(source.calls.size(), 1U);  // of the failed load
}

TEST_F(FlagSetTest, HostsOverrideUntilTheNextLoad) {
  Flag& s = want("s=green");
  DemotableSwitch& green = s.variant("green");
  load(document({flag("s", colours, "red")}));
  EXPECT_EQ(set_.set("s", std::string("G"))->changed, (std::vector<std::string>{"s"}));
  EXPECT_TRUE(is_on(green));  // the variant that has this value
  EXPECT_EQ(*s.text(), "G");
  ASSERT_TRUE(set_.set("s", std::string("other")));
  EXPECT_FALSE(is_on(green));
  EXPECT_EQ(*s.text(), "other");
  ASSERT_TRUE(set_.set("new", true));
  EXPECT_EQ(set_.keys(), (std::vector<std::string>{"new", "s"}));
  EXPECT_EQ(load(document({flag("s", colours, "red")})).changed, (std::vector<std::string>{"new", "s"}));
  EXPECT_EQ(*s.text(), "R");
  EXPECT_EQ(set_.keys(), (std::vector<std::string>{"s"}));
}

// Loads and sets at the same time: whatever order they take, cells, keys and sites agree in the end, and the commit
// that came last decides. (The data races themselves are the thread sanitizer's to find.)
TEST_F(FlagSetTest, LoadsAndSetsFromManyThreads) {
  Flag& n = want("n");
  const Code site = host_.site_of(n.number(FlagType::I32));
  std::atomic<int> failures{0};
  const auto repeat = [&](auto&& change) {
    for (int i = 0; i < 300; ++i) {
      if (!change(i)) ++failures;
    }
  };
  std::vector<std::thread> threads;
  threads.emplace_back([&] {
    repeat([&](int i) {
      return static_cast<bool>(set_.load_json(document({flag("n", numbers, i % 2 == 0 ? "one" : "zero")}), "f.json"));
    });
  });
  threads.emplace_back([&] { repeat([&](int i) { return static_cast<bool>(set_.set("n", std::int64_t{i})); }); });
  threads.emplace_back([&] {
    repeat([&](int i) {
      Result<Flag*> wanted = set_.want("w" + std::to_string(i % 20), FlagType::I32, "h.wasm");
      return wanted && !is_on((*wanted)->truth()) && n.bits(FlagType::I32) < 300 && n.text() != nullptr;
    });
  });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  const std::optional<FlagValue> last = set_.value("n");
  ASSERT_TRUE(last);
  const auto value = static_cast<std::uint64_t>(std::get<std::int64_t>(*last));
  EXPECT_EQ(n.bits(FlagType::I32), value);
  EXPECT_EQ(host_.state_in_memory(site), value == 0 ? 0U : value == 1 ? 1U : 2U);
}

}  // namespace
}  // namespace shunt::flags
