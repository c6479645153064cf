// Flags whose rules are evaluated for the set's context: when their sites change, and what that costs.
#include <string>
#include <thread>

#include "flag_set_fixture.h"

namespace shunt::flags {
namespace {

TEST_F(FlagSetTest, ContextsFlipSitesInOneBatch) {
  load(document({targeted("a", on_off, "off", by_tier), targeted("n", numbers, "zero", R"({"var": "size"})"),
                 flag("plain", on_off, "on")}));
  const Code a = host_.site_of(want("a").truth());
  const Code n = host_.site_of(want("n").number(FlagType::I32));
  const Code plain = host_.site_of(want("plain").truth());
  EXPECT_EQ(host_.state_in_memory(a), 0U);
  EXPECT_EQ(host_.state_in_memory(n), 0U);
  EXPECT_EQ(host_.state_in_memory(plain), 1U);

  host_.serialiser.calls = 0;
  const Result<LoadReport> gold = set_.set_context(R"({"tier": "gold", "size": "many"})");
  ASSERT_TRUE(gold) << gold.error().message();
  EXPECT_EQ(gold->changed, (std::vector<std::string>{"a", "n"}));
  EXPECT_EQ(gold->commit.sites_written, 2U);
  EXPECT_EQ(host_.serialiser.calls, 1);
  EXPECT_EQ(host_.state_in_memory(a), 1U);
  EXPECT_EQ(host_.state_in_memory(n), 2U);
  EXPECT_EQ(want("n").bits(FlagType::I32), 5000U);

  host_.serialiser.calls = 0;  // another context that decides nothing otherwise costs nothing
  EXPECT_TRUE(set_.set_context(R"({"tier": "gold", "size": "many", "more": 1})")->changed.empty());
  EXPECT_EQ(host_.serialiser.calls, 0);
}

TEST_F(FlagSetTest, DecidedRulesAreFixedFlags) {
  load(document({targeted("a", on_off, "off", R"({"if": [true, "on", {"var": "x"}]})")}));
  const Code a = host_.site_of(want("a").truth());
  EXPECT_EQ(host_.state_in_memory(a), 1U);
  host_.serialiser.calls = 0;
  EXPECT_TRUE(set_.set_context(R"({"x": "off"})")->changed.empty());
  EXPECT_EQ(host_.serialiser.calls, 0);
}

TEST_F(FlagSetTest, RulesOfANewDocumentAreEvaluatedForTheContext) {
  ASSERT_TRUE(set_.set_context(R"({"tier": "gold"})"));
  load(document({flag("a", on_off, "off")}));
  const Code a = host_.site_of(want("a").truth());
  EXPECT_EQ(host_.state_in_memory(a), 0U);
  EXPECT_EQ(load(document({targeted("a", on_off, "off", by_tier)})).changed, std::vector<std::string>{"a"});
  EXPECT_EQ(host_.state_in_memory(a), 1U);
  EXPECT_TRUE(load(document({targeted("a", on_off, "off", by_tier)})).changed.empty());
  EXPECT_EQ(load(document({flag("a", on_off, "off")})).changed, std::vector<std::string>{"a"});
  EXPECT_EQ(host_.state_in_memory(a), 0U);
}

TEST_F(FlagSetTest, BadRulesAndContextsLeaveTheLastGoodOnes) {
  load(document({targeted("a", on_off, "off", by_tier)}));
  ASSERT_TRUE(set_.set_context(R"({"tier": "gold"})"));
  const Code a = host_.site_of(want("a").truth());
  EXPECT_EQ(refused(document({targeted("a", on_off, "off", R"({"iff": [1]})")})),
            "f.json:2: flag 'a': targeting.iff: there is no operation 'iff': correct its name");
  const Result<LoadReport> wrong = set_.set_context("[]");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code(), ErrorCode::InvalidArgument);
  EXPECT_EQ(host_.state_in_memory(a), 1U);
  EXPECT_EQ(set_.value("a"), FlagValue(true));
}

TEST_F(FlagSetTest, WhatIsSetGoesBeforeRules) {
  load(document({targeted("a", on_off, "off", by_tier)}));
  ASSERT_TRUE(set_.set("a", true));
  EXPECT_TRUE(set_.set_context(R"({"tier": "iron"})")->changed.empty());
  EXPECT_EQ(set_.value("a"), FlagValue(true));
  EXPECT_EQ(set_.evaluate("a").reason, Reason::Static);
  load(document({targeted("a", on_off, "off", by_tier)}));  // ends it
  EXPECT_EQ(set_.value("a"), FlagValue(false));
}

TEST_F(FlagSetTest, EvaluatesForContextsPutOverItsOwn) {
  load(document({targeted("a", on_off, "off", by_tier)}));
  ASSERT_TRUE(set_.set_context(R"({"tier": "gold"})"));
  EXPECT_EQ(set_.evaluate("a").variant, "on");
  EXPECT_EQ(set_.evaluate("a", R"({"tier": "iron"})").variant, "off");
  EXPECT_EQ(set_.evaluate("a").variant, "on");
  EXPECT_EQ(set_.evaluate("gone").error, EvaluationError::FlagNotFound);
  EXPECT_EQ(set_.evaluate("a", "7").error, EvaluationError::InvalidContext);
}

TEST_F(FlagSetTest, AFailedCommitKeepsWhatTheRulesHadDecided) {
  load(document({targeted("n", numbers, "zero", R"({"var": "size"})")}));
  want("n").number(FlagType::I32);
  class Failing final : public StubSource {
   public:
    Status prepare(PatchBatch&, Flag&, FlagType, std::uint64_t) override {
      return make_error(ErrorCode::OutOfMemory, "no stubs");
    }
  } failing;
  ASSERT_TRUE(set_.add_stub_source(failing));
  EXPECT_FALSE(set_.set_context(R"({"size": "many"})"));
  EXPECT_EQ(set_.value("n"), FlagValue(std::int64_t{0}));
  EXPECT_EQ(want("n").bits(FlagType::I32), 0U);
  set_.remove_stub_source(failing);
  EXPECT_TRUE(set_.set_context(R"({"size": "many"})"));
  EXPECT_EQ(want("n").bits(FlagType::I32), 5000U);
}

TEST_F(FlagSetTest, RulesThatGiveNoVariantWarnAndReadAsZero) {
  load(document({targeted("n", numbers, "one", R"({"var": "size"})")}));
  const Result<LoadReport> report = set_.set_context(R"({"size": "huge"})");
  ASSERT_TRUE(report);
  EXPECT_EQ(report->warnings, (std::vector<std::string>{
                                  "f.json: flag 'n': targeting gives 'huge', which is not one of its variants "
                                  "('zero', 'one', 'many', 'less'): name one of these, or add it: it reads as zero"}));
  EXPECT_EQ(want("n").bits(FlagType::I32), 0U);
}

TEST_F(FlagSetTest, TheTimeFlipsWhatAsksForIt) {
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()).time_since_epoch();
  const std::string rule =
      R"({"if": [{">=": [{"var": "$flagd.timestamp"}, )" + std::to_string(now.count() + 2) + R"(]}, "on"]})";
  load(document({targeted("a", on_off, "off", rule)}));
  const Flag& a = want("a");
  while (a.bits(FlagType::I32) == 0) std::this_thread::yield();  // two seconds; for ever if nobody looks at the clock
  EXPECT_EQ(set_.evaluate("a").reason, Reason::TargetingMatch);
}

TEST_F(FlagSetTest, ChangesAreTold) {
  std::vector<std::string> told;
  set_.on_change([&](const std::vector<std::string>& keys) { told.insert(told.end(), keys.begin(), keys.end()); });
  load(document({targeted("a", on_off, "off", by_tier), flag("b", on_off, "on")}));
  ASSERT_TRUE(set_.set_context(R"({"tier": "gold"})"));
  ASSERT_TRUE(set_.set_context(R"({"tier": "gold"})"));
  ASSERT_TRUE(set_.set("b", false));
  EXPECT_EQ(told, (std::vector<std::string>{"a", "b", "a", "b"}));
  set_.on_change({});
  ASSERT_TRUE(set_.set("b", true));
  EXPECT_EQ(told.size(), 4U);
}

}  // namespace
}  // namespace shunt::flags
