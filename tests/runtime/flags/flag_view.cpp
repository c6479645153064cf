// Flags that are read with contexts of the readers' own: when sites ask, and what the cells hold then.
#include "shunt/runtime/flag_view.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <string>
#include <vector>

#include "arch/backend.h"
#include "flag_set_fixture.h"

namespace shunt::flags {
namespace {

using Keys = std::vector<std::string>;
constexpr std::uint64_t garbage = 0xdeadbeef;
constexpr int data_serialisations = arch::HostInstructionSet::loads_in_order ? 0 : 1;
const std::string by_size = R"({"var": "size"})";

// A view, and its cells.
struct Viewer {
  Viewer(FlagSet& set, std::vector<ViewedFlag> flags)
      : viewed(std::move(flags)), cells(viewed.size()), view(set, viewed, begin()) {}
  std::atomic<std::uint64_t>* begin() {
    for (auto& cell : cells) cell.store(garbage);
    return cells.data();
  }
  LoadReport set_context(std::string_view json) {
    Result<LoadReport> report = view.set_context(json);
    EXPECT_TRUE(report) << report.error().message();
    return report ? std::move(*report) : LoadReport{};
  }
  [[nodiscard]] std::size_t index_of(const Flag& flag, std::string_view variant = {}) const {
    const auto of = viewed.cells_of(flag);
    return *std::ranges::find_if(of, [&](std::uint32_t cell) { return viewed[cell].variant == variant; });
  }
  [[nodiscard]] std::uint64_t cell(const Flag& flag) const { return cells.at(index_of(flag)).load(); }
  [[nodiscard]] std::uint64_t bits(const Flag& flag) const { return view.bits(index_of(flag)); }

  ViewedFlags viewed;
  std::vector<std::atomic<std::uint64_t>> cells;
  FlagView view;
};

class FlagViewTest : public FlagSetTest {
 protected:
  ViewedFlag read(std::string_view name, FlagType type = FlagType::I32) {
    return {&want(name, type), type, std::string(split_import_name(name).variant.value_or(""))};
  }
};

TEST_F(FlagViewTest, SitesAreFixedWhileAllContextsAgree) {
  load(document({targeted("a", on_off, "off", by_tier)}));
  Flag& a = want("a");
  const Code site = host_.site_of(a.truth());
  EXPECT_EQ(set_.targeting("a"), Targeting::Agreed);
  Viewer plain(set_, {read("a")}), silver(set_, {read("a")});
  host_.serialiser.calls = 0;
  EXPECT_EQ(silver.set_context(R"({"tier": "silver"})").changed, Keys());
  EXPECT_EQ(host_.serialiser.calls, 0);
  EXPECT_EQ(host_.state_in_memory(site), 0U);
  ASSERT_TRUE(set_.set_context(R"({"tier": "gold", "more": 1})"));  // silver's own goes before it
  EXPECT_EQ(set_.targeting("a"), Targeting::Differs);
  silver.set_context(R"({"tier": "gold"})");
  ASSERT_TRUE(set_.set_context(R"({"tier": "gold"})"));
  EXPECT_EQ(set_.targeting("a"), Targeting::Agreed);
  EXPECT_EQ(host_.state_in_memory(site), 1U);
}

TEST_F(FlagViewTest, SitesAskWhileContextsDiffer) {
  load(document({targeted("a", on_off, "off", by_tier), targeted("n", numbers, "zero", by_size)}));
  Flag &a = want("a"), &n = want("n");
  const Code truth = host_.site_of(a.truth()), number = host_.site_of(n.number(FlagType::I32)),
             variant = host_.site_of(want("a=on").variant("on"));
  Viewer plain(set_, {{}, read("a"), read("n"), read("a=on")}), gold(set_, {read("a"), read("n"), read("a=on")});
  host_.serialiser.calls = 0;
  const LoadReport report = gold.set_context(R"({"tier": "gold", "size": "many"})");
  EXPECT_EQ(report.changed, (Keys{"a", "n"}));
  EXPECT_EQ(report.commit.sites_written, 3U);
  EXPECT_EQ(host_.serialiser.calls, 1);
  EXPECT_EQ(host_.state_in_memory(truth), Flag::truth_asks);
  EXPECT_EQ(host_.state_in_memory(number), Flag::number_asks);
  EXPECT_EQ(host_.state_in_memory(variant), Flag::truth_asks);
  EXPECT_EQ(set_.targeting("n"), Targeting::Differs);
  EXPECT_EQ(gold.cell(a), 1U);
  EXPECT_EQ(gold.cell(n), 5000U);
  EXPECT_EQ(gold.cells.at(gold.index_of(a, "on")), 1U);
  EXPECT_EQ(plain.cell(a), 0U);
  EXPECT_EQ(plain.cell(n), 0U);
  EXPECT_EQ(plain.cells.at(plain.index_of(a, "on")), 0U);

  Viewer late(set_, {read("a"), read("n")});
  EXPECT_EQ(late.cell(a), 0U);
  const Code born = host_.site_of(a.truth()), first_long = host_.site_of(n.number(FlagType::I64));
  EXPECT_EQ(host_.state_in_memory(born), Flag::truth_asks);
  EXPECT_EQ(host_.state_in_memory(first_long), Flag::number_asks);
}

TEST_F(FlagViewTest, CellsAreWrittenBeforeTheSites) {
  load(document({targeted("n", numbers, "one", by_size)}));
  Flag& n = want("n");
  const Code site = host_.site_of(n.number(FlagType::I32));
  Viewer plain(set_, {read("n")}), many(set_, {read("n")});
  int seen = 0;
  host_.serialiser.before = [&] {
    ++seen;
    EXPECT_EQ(plain.cell(n), 1U);
    EXPECT_EQ(many.cell(n), 5000U);
    EXPECT_EQ(n.bits(FlagType::I32), 1U) << "who was sent there by the old site reads what all had";
  };
  many.set_context(R"({"size": "many"})");
  host_.serialiser.before = {};
  EXPECT_EQ(seen, 1);
}

TEST_F(FlagViewTest, ALoadRefreshesTheCellsOfAll) {
  load(document({targeted("a", on_off, "off", by_tier)}));
  Flag& a = want("a");
  const Code site = host_.site_of(a.truth());
  Viewer plain(set_, {read("a")}), gold(set_, {read("a")}), iron(set_, {read("a")});
  gold.set_context(R"({"tier": "gold"})");
  iron.set_context(R"({"tier": "iron"})");
  host_.serialiser.calls = 0;
  const LoadReport report =
      load(document({targeted("a", on_off, "off", R"({"if": [{"==": [{"var": "tier"}, "iron"]}, "on", "off"]})")}));
  EXPECT_EQ(report.changed, Keys{"a"});
  EXPECT_EQ(report.commit.sites_written, 0U) << "a store for each";
  EXPECT_EQ(host_.serialiser.calls, data_serialisations);
  EXPECT_EQ(gold.cell(a), 0U);
  EXPECT_EQ(iron.cell(a), 1U);
  EXPECT_EQ(plain.cell(a), 0U);
  EXPECT_EQ(host_.state_in_memory(site), Flag::truth_asks);

  host_.serialiser.calls = 0;  // the same rule once more
  EXPECT_EQ(
      load(document({targeted("a", on_off, "off", R"({"if": [{"==": [{"var": "tier"}, "iron"]}, "on", "off"]})")}))
          .changed,
      Keys());
  EXPECT_EQ(host_.serialiser.calls, 0);
}

TEST_F(FlagViewTest, FixedFlagsCostEverybodyTheirNoOp) {
  load(document({targeted("a", on_off, "off", by_tier), flag("b", on_off, "off"),
                 targeted("c", on_off, "off", R"({"if": [false, {"var": "x"}, "off"]})")}));
  Flag& a = want("a");
  const Code site = host_.site_of(a.truth()), fixed = host_.site_of(want("b").truth()),
             decided = host_.site_of(want("c").truth());
  Viewer gold(set_, {read("a"), read("b"), read("c")});
  gold.set_context(R"({"tier": "gold", "x": "on"})");
  EXPECT_EQ(host_.state_in_memory(site), Flag::truth_asks);
  EXPECT_EQ(host_.state_in_memory(fixed), 0U);
  EXPECT_EQ(host_.state_in_memory(decided), 0U);
  EXPECT_EQ(set_.targeting("c"), Targeting::None);
  EXPECT_EQ(gold.bits(want("c")), 0U);

  EXPECT_EQ(load(document({flag("a", on_off, "on"), flag("b", on_off, "off"), flag("c", on_off, "off")})).changed,
            Keys{"a"})
      << "the rollout is complete";
  EXPECT_EQ(host_.state_in_memory(site), 1U);
  EXPECT_EQ(gold.bits(a), 1U);
  load(document({targeted("a", on_off, "off", by_tier)}));
  EXPECT_EQ(host_.state_in_memory(site), Flag::truth_asks);
  ASSERT_TRUE(set_.set("a", false));
  EXPECT_EQ(host_.state_in_memory(site), 0U);
  EXPECT_EQ(gold.bits(a), 0U);
}

TEST_F(FlagViewTest, ReadsThatAreNoSitesFollow) {
  load(document({targeted("s", colours, "red", R"({"var": "colour"})"), flag("b", on_off, "on")}));
  Flag &s = want("s", FlagType::String), &b = want("b");
  Viewer plain(set_, {read("s", FlagType::String), read("s=green"), read("b")}),
      green(set_, {read("s", FlagType::String), read("s=green"), read("b")});
  const std::size_t string = plain.index_of(s), variant = plain.index_of(s, "green");
  EXPECT_EQ(*green.view.text(string), "R");
  EXPECT_EQ(green.view.bits(variant), 0U);
  green.set_context(R"({"colour": "green"})");
  EXPECT_EQ(*green.view.text(string), "G");
  EXPECT_EQ(green.view.bits(variant), 1U);
  EXPECT_EQ(*plain.view.text(string), "R");
  EXPECT_EQ(plain.view.bits(variant), 0U);
  EXPECT_EQ(green.bits(b), 1U);
  ASSERT_TRUE(set_.set("s", std::string("B")));
  EXPECT_EQ(*green.view.text(string), "B");
  EXPECT_EQ(*plain.view.text(string), "B");
}

TEST_F(FlagViewTest, AFailedCommitChangesNothing) {
  load(document({targeted("n", numbers, "zero", by_size), flag("f", numbers, "zero")}));
  Flag& n = want("n");
  const Code site = host_.site_of(n.number(FlagType::I32));
  want("f").number(FlagType::I32);
  Viewer plain(set_, {read("n")}), many(set_, {read("n")});
  many.set_context(R"({"size": "many"})");
  class Failing final : public StubSource {
   public:
    Status prepare(PatchBatch&, Flag&, FlagType, std::uint64_t) override {
      return make_error(ErrorCode::OutOfMemory, "no stubs");
    }
  } failing;
  ASSERT_TRUE(set_.add_stub_source(failing));
  EXPECT_FALSE(
      set_.load_json(document({targeted("n", numbers, "less", by_size), flag("f", numbers, "many")}), "g.json"));
  set_.remove_stub_source(failing);
  EXPECT_EQ(many.bits(n), 5000U);
  EXPECT_EQ(plain.bits(n), 0U);
  EXPECT_EQ(host_.state_in_memory(site), Flag::number_asks);

  host_.serialiser.fails = true;  // written, so it counts
  EXPECT_FALSE(set_.load_json(document({flag("n", numbers, "one")}), "h.json"));
  host_.serialiser.fails = false;
  EXPECT_TRUE(host_.engine().resynchronise());
  EXPECT_EQ(many.bits(n), 1U);
  EXPECT_EQ(host_.state_in_memory(site), 1U);
}

TEST_F(FlagViewTest, ARefusedLoadPutsTheCellsBack) {
  load(document({targeted("n", numbers, "zero", by_size), flag("z", on_off, "off")}));
  Flag& n = want("n");
  EngineWithSites other;
  PatchBatch foreign(other.engine());
  foreign.set(want("z").truth(), 0);
  ASSERT_TRUE(foreign.commit());
  Viewer plain(set_, {read("n")}), many(set_, {read("n")});
  many.set_context(R"({"size": "many"})");
  EXPECT_FALSE(set_.load_json(
      document({targeted("n", numbers, "one", R"({"var": "nothing"})"), flag("z", on_off, "on")}), "g.json"));
  EXPECT_EQ(many.bits(n), 5000U);
  EXPECT_EQ(plain.bits(n), 0U);
  EXPECT_EQ(set_.targeting("n"), Targeting::Differs);
  EXPECT_FALSE(set_.load_json(document({targeted("n", numbers, "less", by_size), flag("z", on_off, "on")}), "g.json"));
  EXPECT_EQ(many.cell(n), 5000U);
  EXPECT_EQ(plain.cell(n), 0U);
}

// The batch of a context that is refused: another engine's key stands in the same flag.
TEST_F(FlagViewTest, AContextThatCannotBePutInForceIsNone) {
  load(document({targeted("a", on_off, "off", by_tier)}));
  Flag& a = want("a");
  EngineWithSites other;
  PatchBatch foreign(other.engine());
  foreign.set(a.truth(), 0);
  ASSERT_TRUE(foreign.commit());
  Viewer plain(set_, {read("a")}), gold(set_, {read("a")});
  const Result<LoadReport> report = gold.view.set_context(R"({"tier": "gold"})");
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code(), ErrorCode::KeyBelongsToOtherEngine);
  EXPECT_EQ(gold.bits(a), 0U);
  EXPECT_EQ(set_.targeting("a"), Targeting::Agreed);
  for (const std::string_view wrong : {"[]", "{", "{\"targetingKey\": 1}"}) {
    const Result<LoadReport> refused = gold.view.set_context(wrong);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::InvalidArgument);
  }
}

TEST_F(FlagViewTest, OwnMembersGoBeforeTheSets) {
  load(document(
      {targeted("a", on_off, "off", R"({"if": [{"==": [{"cat": [{"var": "x"}, {"var": "y"}]}, "12"]}, "on"]})")}));
  Flag& a = want("a");
  Viewer plain(set_, {read("a")}), own(set_, {read("a")});
  ASSERT_TRUE(set_.set_context(R"({"x": 1, "y": 1})"));
  own.set_context(R"({"y": 2})");
  EXPECT_EQ(own.bits(a), 1U);
  EXPECT_EQ(plain.bits(a), 0U);
  EXPECT_EQ(set_.set_context(R"({"x": 3, "y": 2})")->changed, Keys{"a"});
  EXPECT_EQ(own.bits(a), 0U);
}

TEST_F(FlagViewTest, ThatEndsIsForgottenByTheNextLoad) {
  load(document({targeted("a", on_off, "off", by_tier)}));
  Flag& a = want("a");
  const Code site = host_.site_of(a.truth());
  {
    Viewer gold(set_, {read("a")});
    gold.set_context(R"({"tier": "gold"})");
  }
  EXPECT_EQ(host_.state_in_memory(site), Flag::truth_asks);
  load(document({targeted("a", on_off, "off", by_tier)}));
  EXPECT_EQ(host_.state_in_memory(site), 0U);
}

TEST_F(FlagViewTest, ContextsChangeAgain) {
  load(document({targeted("a", on_off, "off", by_tier)}));
  Flag& a = want("a");
  Viewer plain(set_, {read("a")}), gold(set_, {read("a")});
  gold.set_context(R"({"tier": "gold"})");
  EXPECT_EQ(gold.set_context(R"({"tier": "gold", "x": 1})").changed, Keys());
  EXPECT_EQ(gold.set_context("").changed, Keys{"a"});
  EXPECT_EQ(gold.bits(a), 0U);
  EXPECT_EQ(plain.set_context(R"({"tier": "gold"})").changed, Keys{"a"});
  EXPECT_EQ(plain.bits(a), 1U);
  EXPECT_EQ(gold.bits(a), 0U);
  ASSERT_TRUE(set_.set_context(R"({"tier": "gold"})"));
  EXPECT_EQ(gold.bits(a), 1U) << "without a context of its own it has the set's";
}

}  // namespace
}  // namespace shunt::flags
