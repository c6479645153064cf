// Assumptions: broken once, for ever; their dependents flip together; code built on a broken one is refused.
#include "shunt/assumption.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "shunt/engine.h"
#include "tests/engine/recording.h"
#include "tests/engine/test_code.h"

namespace shunt::test {
namespace {

class Assumptions : public testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(engine_.engine, nullptr); }
  Engine& engine() { return *engine_.engine; }
  Recording& recording() { return *engine_.recording; }
  void invalidate() {
    PatchBatch batch(engine());
    batch.invalidate(fact_);
    committed(batch);
  }
  void expect_refused(const Result<Code>& code) {
    ASSERT_FALSE(code) << "code that depends on a broken assumption was published";
    EXPECT_EQ(code.error().code(), ErrorCode::AssumptionBroken);
    EXPECT_NE(code.error().message().find("\"the earth is flat\""), std::string::npos) << code.error().message();
  }

  RecordingEngine engine_ = RecordingEngine::x86_64();
  Assumption fact_{"the earth is flat"};
  StaticKey key_{"key"};
};

TEST_F(Assumptions, AllDependentsFlipWithTheRestOfTheBatch) {
  const Code a = published(engine(), 64, {{&fact_, SiteForm::Toggle, 0, {32}}, {&key_, SiteForm::Toggle, 8, {32}}});
  const Code b = published(engine(), 64, {{&fact_, SiteForm::AlignedWord, 0, {32}}});
  EXPECT_TRUE(fact_.holds());
  recording().clear();
  PatchBatch batch(engine());
  batch.invalidate(fact_);
  batch.enable(key_);
  EXPECT_EQ(committed(batch).sites_written, 3U);
  EXPECT_EQ(recording().steps, (Steps{"check rx+0x0", "check rx+0x40", "check rx+0x8",  //
                                      "store1 rw+0x0", "store8 rw+0x40", "store1 rw+0x8", "serialise"}));
  EXPECT_FALSE(fact_.holds());
  EXPECT_EQ(engine().instruction_now(engine().sites(b)[0]), "jmp +0x20");
}

TEST_F(Assumptions, AreBrokenOnceForEver) {
  Code code = published(engine(), 64, {{&fact_, SiteForm::Toggle, 0, {32}}});
  invalidate();
  recording().clear();
  invalidate();
  EXPECT_EQ(recording().steps, Steps{}) << "nothing to do";
  EXPECT_FALSE(fact_.holds());
  code = Code();
  engine_ = RecordingEngine::x86_64();
  expect_refused(try_publish(engine(), 64, {{&fact_, SiteForm::Toggle, 0, {32}}}));
}

TEST_F(Assumptions, CodeBuiltOnABrokenOneIsRefused) {
  // Compiled while it holds; broken before it is published.
  const std::vector<TestSite> sites = {{&key_, SiteForm::Toggle, 0, {32}}, {&fact_, SiteForm::Toggle, 8, {32}}};
  const Engine::Allocation compiled = written_code(engine(), 64, sites);
  ASSERT_TRUE(fact_.holds());
  invalidate();
  expect_refused(engine().publish(compiled, new_sites(sites)));
  PatchBatch batch(engine());
  batch.enable(key_);
  EXPECT_EQ(committed(batch).sites_written, 0U) << "no site of refused code is registered";
  const Engine::Allocation again = *engine().allocate(64);
  EXPECT_EQ(again.rx, compiled.rx) << "its memory is free again";
  engine().release(again);
}

TEST_F(Assumptions, WhatIsWrittenCountsAlsoIfItIsNotComplete) {
  const Code code = published(engine(), 64, {{&fact_, SiteForm::Toggle, 0, {32}}});
  recording().failing_serialisations = 1;
  PatchBatch batch(engine());
  batch.invalidate(fact_);
  ASSERT_FALSE(batch.commit());
  EXPECT_TRUE(fact_.holds()) << "as far as a reader can rely on it";
  expect_refused(try_publish(engine(), 64, {{&fact_, SiteForm::Toggle, 0, {32}}}));
}

TEST_F(Assumptions, CodeMayDependWithoutASite) {
  Assumption other{"the moon is cheese"};
  Assumption* const both[] = {&other, &fact_};
  {
    const auto code = engine().publish(written_code(engine(), 64, {}), {}, both);
    ASSERT_TRUE(code) << code.error().message();
    EXPECT_EQ(engine().dependents(fact_), std::vector<const std::uint8_t*>{code->data()});
  }
  EXPECT_TRUE(engine().dependents(fact_).empty()) << "the code has ended";
  invalidate();
  expect_refused(engine().publish(written_code(engine(), 64, {}), {}, both));
  expect_refused(engine().publish_nosync(written_code(engine(), 64, {}), {}, both));
  Assumption* const null = nullptr;
  const auto code = engine().publish(written_code(engine(), 64, {}), {}, {&null, 1});
  ASSERT_FALSE(code);
  EXPECT_EQ(code.error().code(), ErrorCode::InvalidArgument);
}

TEST_F(Assumptions, ListTheCodeThatDependsOnThem) {
  EXPECT_TRUE(engine().dependents(fact_).empty());
  Assumption* const dependency = &fact_;
  const Code first =
      published(engine(), 64, {{&fact_, SiteForm::Toggle, 0, {32}}, {&fact_, SiteForm::Toggle, 8, {32}}});
  const Code unrelated = published(engine(), 64, {{&key_, SiteForm::Toggle, 0, {32}}});
  const std::vector<TestSite> sites = {{&fact_, SiteForm::Redirect, 0, {32, 40}}};
  const auto last = engine().publish(written_code(engine(), 64, sites), new_sites(sites), {&dependency, 1});
  ASSERT_TRUE(last);
  const std::vector<const std::uint8_t*> all = {first.data(), last->data()};
  EXPECT_EQ(engine().dependents(fact_), all);
  invalidate();
  EXPECT_EQ(engine().dependents(fact_), all) << "what there is to throw away";
  RecordingEngine second = RecordingEngine::x86_64();
  EXPECT_TRUE(second.engine->dependents(fact_).empty());
}

}  // namespace
}  // namespace shunt::test
