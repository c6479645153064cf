// Flags that change too often: read as data until they are calm. Time is what the test says.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "arch/backend.h"
#include "flag_set_fixture.h"

namespace shunt::flags {
namespace {

constexpr std::uint64_t second = 1'000'000'000;
constexpr std::uint32_t limit = 4;
// Core serialisations of a flip that stores a word alone.
constexpr int serialisations = arch::HostInstructionSet::loads_in_order ? 0 : 1;
using Keys = std::vector<std::string>;

class FlagDemotion : public testing::Test {
 protected:
  void SetUp() override { EngineWithSites::now_ns = 5 * second; }
  LoadReport set(std::string_view key, FlagValue value) {
    auto report = set_.set(key, std::move(value));
    EXPECT_TRUE(report) << report.error().message();
    return report ? std::move(*report) : LoadReport{};
  }
  Flag& want(std::string_view name) { return **set_.want(name, FlagType::I32, "g.wasm"); }

  EngineWithSites host_{limit};
  FlagSet set_{host_.engine()};
};

TEST_F(FlagDemotion, ABooleanIsDemotedAndItsChangesRewriteNothing) {
  Flag& b = want("b");
  const Code site = host_.site_of(b.truth());
  EXPECT_TRUE(b.may_be_demoted());
  for (unsigned i = 0; i < limit; ++i) EXPECT_EQ(set("b", i % 2 == 0).demoted, Keys());
  EXPECT_EQ(host_.state_in_memory(site), 0U);
  EXPECT_EQ(set("b", true).demoted, Keys{"b"}) << "the load that demotes says so";
  EXPECT_EQ(set_.demoted(), Keys{"b"});
  EXPECT_EQ(host_.state_in_memory(site), 3U);
  const int serialised = host_.serialiser.calls;
  for (const bool on : {false, true, false}) {
    const LoadReport report = set("b", on);
    EXPECT_EQ(report.commit.sites_written, 0U);
    EXPECT_EQ(report.demoted, Keys()) << "it was before";
    EXPECT_EQ(b.bits(FlagType::I32).load(), on ? 1U : 0U);
    EXPECT_EQ(b.truth().value(), on ? 1U : 0U);
  }
  EXPECT_EQ(host_.serialiser.calls, serialised + 3 * serialisations);
}

// A stub for each value, of one site.
class Stubs final : public StubSource {
 public:
  explicit Stubs(const Code& site) : site_(site) {}
  Status prepare(PatchBatch& batch, Flag& flag, FlagType type, std::uint64_t bits) override {
    batch.retarget(flag.number(type), site_.data(), 2, site_.data() + 128 + 4 * (bits % 8));
    return Ok{};
  }

 private:
  const Code& site_;
};

// The value's stub changes, and the key stays in one state: such changes count too.
TEST_F(FlagDemotion, ANumberThatTakesOneValueAfterTheOtherIsDemoted) {
  Flag& n = want("n");
  const Code site = host_.site_of(n.number(FlagType::I32));
  Stubs stubs(site);
  ASSERT_TRUE(set_.add_stub_source(stubs));
  for (std::int64_t i = 0; i < limit; ++i) {
    EXPECT_EQ(set("n", 10 + i).demoted, Keys());
    EXPECT_EQ(host_.state_in_memory(site), 2U);
  }
  EXPECT_EQ(host_.engine().key_stats().at(0).flips, limit);
  EXPECT_EQ(set("n", std::int64_t{99}).demoted, Keys{"n"});
  EXPECT_TRUE(n.number(FlagType::I32).demoted());
  EXPECT_TRUE(host_.engine().instruction_now(host_.engine().sites(site).at(0)).ends_with(" +0xc0"))
      << "the stub that loads";
  const int serialised = host_.serialiser.calls;
  for (const std::int64_t value : {0, 1, 77}) {
    EXPECT_EQ(set("n", value).commit.sites_written, 0U);
    EXPECT_EQ(n.bits(FlagType::I32).load(), static_cast<std::uint64_t>(value));
  }
  EXPECT_EQ(host_.serialiser.calls, serialised + 3 * serialisations);
  EXPECT_EQ(host_.engine().stats().data_flips, 3U);
  set_.remove_stub_source(stubs);
}

TEST_F(FlagDemotion, IsPromotedInTheStateOfItsValue) {
  Flag& n = want("n");
  Flag& v = want("v=red");
  const Code number = host_.site_of(n.number(FlagType::I32)), variant = host_.site_of(v.variant("red"));
  const auto load = [&](std::string_view number_variant, std::string_view colour) {
    auto report = set_.load_json(document({flag("n", numbers, number_variant), flag("v", colours, colour)}), "f.json");
    EXPECT_TRUE(report) << report.error().message();
  };
  for (unsigned i = 0; i <= limit; ++i) load(i % 2 == 0 ? "many" : "less", i % 2 == 0 ? "red" : "green");
  EXPECT_EQ(set_.demoted(), (Keys{"n", "v"}));
  load("one", "green");
  EngineWithSites::now_ns += 2 * second;
  ASSERT_TRUE(host_.engine().promote_calm_keys());
  EXPECT_EQ(set_.demoted(), Keys());
  EXPECT_EQ(host_.state_in_memory(number), 1U);
  EXPECT_EQ(host_.state_in_memory(variant), 0U);
}

TEST(FlagsWithoutALimit, AreNeverDemoted) {
  EngineWithSites host;
  FlagSet flags(host.engine());
  Flag& b = **flags.want("b", FlagType::I32, "g.wasm");
  EXPECT_FALSE(b.may_be_demoted());
  b.truth();
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(flags.set("b", i % 2 == 0));
  EXPECT_EQ(flags.demoted(), Keys());
}

}  // namespace
}  // namespace shunt::flags
