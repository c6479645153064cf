// The breakpoint protocol as a list of steps, on the recording engine, and what the SIGTRAP handler would find at each
// of them. tests/engine/CMakeLists.txt builds this file a second time, with deliberate faults.
#include <gtest/gtest.h>
#include <signal.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/trap/breakpoint_table.h"
#include "tests/engine/recording.h"
#include "tests/engine/test_code.h"

namespace shunt::test {
namespace {

using detail::TrapAnswer;
using Verdict = TrapAnswer::Verdict;

class X86Breakpoints : public testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(engine_.engine, nullptr); }
  Engine& engine() { return *engine_.engine; }
  Recording& recording() { return *engine_.recording; }

  [[nodiscard]] std::vector<std::uint8_t> bytes(const Code& code, std::size_t offset, std::size_t size) const {
    return {code.data() + offset, code.data() + offset + size};
  }
  [[nodiscard]] static std::uint64_t address(const Code& code, std::size_t offset) {
    return reinterpret_cast<std::uintptr_t>(code.data()) + offset;
  }
  static TrapAnswer answer(const Code& code, std::size_t offset) { return detail::answer_trap(address(code, offset)); }

  // The next commit's core serialisation number `which` fails, and `again` more after it.
  void fail_at(int which, int again = 0) {
    recording().failing_after = which - 1;
    recording().failing_serialisations = 1 + again;
  }

  RecordingEngine engine_ = RecordingEngine::x86_64();
  StaticKey key_{"key"};
  StaticKey other_{"other"};
  StaticSwitch choice_{"choice", 3};
};

TEST_F(X86Breakpoints, ThreeSerialisationsForAWholeBatch) {
  const Code a =
      published(engine(), 256, {{&key_, SiteForm::Unaligned, 3, {200}}, {&key_, SiteForm::Unaligned, 62, {200}}});
  const Code b = published(engine(), 64, {{&other_, SiteForm::Unaligned, 5, {40}}});
  recording().clear();

  PatchBatch batch(engine());
  batch.enable(other_);
  batch.enable(key_);
  const CommitReport report = committed(batch);

  EXPECT_EQ(recording().steps, (Steps{"check rx+0x105", "check rx+0x3", "check rx+0x3e",                  //
                                      "store1 rw+0x3", "store1 rw+0x3e", "store1 rw+0x105", "serialise",  //
                                      "tail4 rw+0x4", "tail4 rw+0x3f", "tail4 rw+0x106", "serialise",     //
                                      "store1 rw+0x3", "store1 rw+0x3e", "store1 rw+0x105", "serialise"}));
  EXPECT_EQ(report.sites_written, 3U);
  EXPECT_EQ(report.serialisations, 3U);
  EXPECT_EQ(report.mechanism, "recording");
  EXPECT_TRUE(key_.enabled() && other_.enabled());
  ASSERT_EQ(recording().stores.size(), 6U);
  EXPECT_EQ(recording().stores[0].old_value, 0x0FU);
  EXPECT_EQ(recording().stores[0].new_value, 0xCCU);
  EXPECT_EQ(recording().stores[3].old_value, 0xCCU);
  EXPECT_EQ(recording().stores[3].new_value, 0xE9U);
  EXPECT_EQ(bytes(a, 2, 7), (std::vector<std::uint8_t>{0x90, 0xE9, 0xC0, 0, 0, 0, 0x90}));  // 200 - (3 + 5) = 0xC0
  EXPECT_EQ(bytes(a, 62, 5), (std::vector<std::uint8_t>{0xE9, 0x85, 0, 0, 0}));

  recording().clear();
  batch.disable(key_);
  EXPECT_EQ(committed(batch).serialisations, 3U);
  EXPECT_EQ(bytes(a, 3, 5), (std::vector<std::uint8_t>{0x0F, 0x1F, 0x44, 0, 0}));
}

// The others are written with the breakpoints: from the first core serialisation on everybody runs the new state.
TEST_F(X86Breakpoints, OtherSitesOfTheBatchAreWrittenInTheFirstStep) {
  const Code code = published(engine(), 256,
                              {{&key_, SiteForm::Unaligned, 3, {200}},
                               {&key_, SiteForm::Toggle, 16, {200}},
                               {&other_, SiteForm::AlignedWord, 64, {200}}});
  recording().clear();
  PatchBatch batch(engine());
  batch.enable(key_);
  batch.enable(other_);
  const CommitReport report = committed(batch);
  EXPECT_EQ(recording().steps, (Steps{"check rx+0x10", "check rx+0x3", "check rx+0x40",                  //
                                      "store1 rw+0x10", "store8 rw+0x40", "store1 rw+0x3", "serialise",  //
                                      "tail4 rw+0x4", "serialise", "store1 rw+0x3", "serialise"}));
  EXPECT_EQ(report.sites_written, 3U);
  EXPECT_EQ(report.serialisations, 3U);
  batch.disable(other_);
  EXPECT_EQ(committed(batch).serialisations, 1U) << "no such site in the batch";
}

TEST_F(X86Breakpoints, ASwitchGoesFromTargetToTargetByBreakpoints) {
  const Code code = published(engine(), 64, {{&choice_, SiteForm::Unaligned, 5, {32, 48}}});
  const SiteInfo site = engine().sites(code)[0];
  EXPECT_EQ(site.form, SiteForm::Unaligned);
  EXPECT_EQ(site.length, 5U);
  PatchBatch batch(engine());
  for (auto [state, instruction] : {std::pair{1U, "jmp +0x1b"}, {2U, "jmp +0x2b"}, {0U, "nop"}, {2U, "jmp +0x2b"}}) {
    batch.set(choice_, state);
    EXPECT_EQ(committed(batch).serialisations, 3U);
    EXPECT_EQ(engine().instruction_now(site), instruction);
    EXPECT_EQ(engine().instruction(site, state), instruction);
  }
  batch.retarget(choice_, code.data() + 5, 2, code.data() + 56);
  EXPECT_EQ(committed(batch).serialisations, 3U);
  EXPECT_EQ(engine().instruction_now(site), "jmp +0x33");
  batch.retarget(choice_, code.data() + 5, 1, code.data() + 40);
  batch.set(choice_, 1);
  committed(batch);
  EXPECT_EQ(engine().instruction_now(site), "jmp +0x23");
}

TEST_F(X86Breakpoints, TheHandlerSendsThreadsToTheNewPathWhileTheBatchIsInFlight) {
  const Code code =
      published(engine(), 64, {{&key_, SiteForm::Unaligned, 5, {32}}, {&key_, SiteForm::Unaligned, 15, {40}}});
  EXPECT_EQ(answer(code, 5).verdict, Verdict::Foreign) << "nothing was ever in flight";
  fail_at(1);
  PatchBatch batch(engine());
  batch.enable(key_);
  ASSERT_FALSE(batch.commit());
  EXPECT_EQ(answer(code, 5).verdict, Verdict::Resume);
  EXPECT_EQ(answer(code, 5).resumption, (arch::Resumption{address(code, 32), 0}));
  EXPECT_EQ(answer(code, 15).resumption, (arch::Resumption{address(code, 40), 0}));
  ASSERT_TRUE(engine().resynchronise());

  fail_at(1);
  batch.disable(key_);
  ASSERT_FALSE(batch.commit());
  EXPECT_EQ(answer(code, 5).resumption, (arch::Resumption{address(code, 10), 0})) << "it falls through";
  ASSERT_TRUE(engine().resynchronise());
}

TEST_F(X86Breakpoints, TheHandlerKnowsABreakpointFromItsFirstMomentToItsLast) {
  const Code code =
      published(engine(), 64, {{&key_, SiteForm::Unaligned, 5, {32}}, {&key_, SiteForm::Unaligned, 15, {40}}});
  recording().clear();
  std::vector<Verdict> verdicts;
  recording().after_store = [&](std::uint64_t) {
    for (std::size_t site : {5U, 15U}) verdicts.push_back(answer(code, site).verdict);
  };
  PatchBatch batch(engine());
  batch.enable(key_);
  committed(batch);
  EXPECT_EQ(verdicts, std::vector<Verdict>(8, Verdict::Resume));
}

TEST_F(X86Breakpoints, ATrapThatIsHandledAfterTheBatchsEndIsRunAgain) {
  const Code code = published(engine(), 64, {{&key_, SiteForm::Unaligned, 5, {32}}});
  PatchBatch batch(engine());
  for (bool on : {true, false}) {
    batch.set(key_, on);
    committed(batch);
    EXPECT_EQ(answer(code, 5).verdict, Verdict::Rewind);
    EXPECT_EQ(answer(code, 5).resumption, (arch::Resumption{address(code, 5), 0}));
  }
}

TEST_F(X86Breakpoints, BreakpointsOfOthersAreNotOurs) {
  const Code code = published(engine(), 64, {{&key_, SiteForm::Unaligned, 5, {32}}});
  PatchBatch batch(engine());
  batch.enable(key_);
  committed(batch);
  std::uint8_t* const alias = alias_of(engine(), code);
  alias[20] = 0xCC;
  EXPECT_EQ(answer(code, 20).verdict, Verdict::Foreign) << "in our code, but of nobody's site";
  EXPECT_EQ(answer(code, 22).verdict, Verdict::Foreign) << "no breakpoint of one byte";
  const std::uint8_t elsewhere[] = {0xE9, 0xCC};
  EXPECT_EQ(detail::answer_trap(reinterpret_cast<std::uintptr_t>(elsewhere)).verdict, Verdict::Foreign);
  EXPECT_EQ(detail::answer_trap(16).verdict, Verdict::Foreign) << "not even read";

  fail_at(2);
  batch.disable(key_);
  ASSERT_FALSE(batch.commit());
  EXPECT_EQ(answer(code, 20).verdict, Verdict::Foreign) << "while a batch is in flight";
  ASSERT_TRUE(engine().resynchronise());
}

// Whichever core serialisation fails: the keys are in transition, nobody is lost, and the rest is done later.
TEST_F(X86Breakpoints, AFailedSerialisationIsCarriedOnWhereItFailed) {
  const Steps first = {"store1 rw+0x5", "serialise"}, second = {"tail4 rw+0x6", "serialise"}, third = first;
  const std::vector<Steps> steps = {first, second, third};
  const Code code = published(engine(), 64, {{&key_, SiteForm::Unaligned, 5, {32}}});
  for (bool on : {true, false}) {
    for (std::size_t failing = 1; failing <= 3; ++failing) {
      fail_at(static_cast<int>(failing), 1);
      PatchBatch batch(engine());
      recording().clear();
      batch.set(key_, on);
      const auto report = batch.commit();
      ASSERT_FALSE(report);
      EXPECT_EQ(report.error().code(), ErrorCode::SerialisationFailed);
      EXPECT_NE(key_.enabled(), on) << "not complete";
      EXPECT_EQ(code.data()[5] == 0xCC, failing != 3);
      EXPECT_EQ(answer(code, 5).verdict, Verdict::Resume);

      EXPECT_FALSE(engine().resynchronise());
      EXPECT_NE(key_.enabled(), on);
      EXPECT_EQ(answer(code, 5).verdict, Verdict::Resume);
      recording().clear();
      EXPECT_TRUE(engine().resynchronise());
      Steps rest = {"serialise"};
      for (std::size_t step = failing; step < 3; ++step)
        rest.insert(rest.end(), steps[step].begin(), steps[step].end());
      EXPECT_EQ(recording().steps, rest);
      EXPECT_EQ(key_.enabled(), on);
      EXPECT_EQ(code.data()[5], on ? 0xE9 : 0x0F);
      EXPECT_EQ(answer(code, 5).verdict, Verdict::Rewind);

      batch.set(key_, !on);
      committed(batch);
    }
    PatchBatch batch(engine());
    batch.set(key_, on);
    committed(batch);
  }
}

TEST_F(X86Breakpoints, ACommitFirstCarriesOnWhatIsHeldUp) {
  const Code code =
      published(engine(), 64, {{&key_, SiteForm::Unaligned, 5, {32}}, {&other_, SiteForm::Toggle, 16, {32}}});
  fail_at(2, 1);
  PatchBatch batch(engine());
  batch.enable(key_);
  ASSERT_FALSE(batch.commit());

  recording().clear();
  batch.enable(other_);
  const auto refused = batch.commit();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::SerialisationFailed);
  EXPECT_NE(refused.error().message().find("nothing of this one was written"), std::string::npos);
  EXPECT_EQ(recording().steps, Steps{"serialise"});
  EXPECT_FALSE(other_.enabled());
  EXPECT_EQ(code.data()[16], 0xA9);

  recording().clear();
  batch.enable(other_);
  EXPECT_EQ(committed(batch).sites_written, 1U);
  EXPECT_EQ(recording().steps, (Steps{"serialise", "store1 rw+0x5", "serialise",  //
                                      "check rx+0x10", "store1 rw+0x10", "serialise"}));
  EXPECT_TRUE(key_.enabled() && other_.enabled());
}

TEST_F(X86Breakpoints, CodeThatEndsWhileItIsHeldUpIsWrittenNoMore) {
  Code ending = published(engine(), 64, {{&key_, SiteForm::Unaligned, 5, {32}}});
  const Code staying = published(engine(), 64, {{&key_, SiteForm::Unaligned, 5, {32}}});
  fail_at(1);
  PatchBatch batch(engine());
  batch.enable(key_);
  ASSERT_FALSE(batch.commit());
  const std::uint8_t* const ended = ending.data();
  ending = Code();
  ASSERT_TRUE(engine().resynchronise());
  EXPECT_EQ(std::vector<std::uint8_t>(ended, ended + 64), std::vector<std::uint8_t>(64, 0xCC));
  EXPECT_EQ(staying.data()[5], 0xE9);
}

TEST_F(X86Breakpoints, AKeyOrAnEngineMayEndWhileItIsHeldUp) {
  auto ending = std::make_unique<StaticKey>("ending");
  Code code = published(engine(), 64, {{&*ending, SiteForm::Unaligned, 5, {32}}});
  fail_at(1, 1);
  PatchBatch batch(engine());
  batch.enable(*ending);
  ASSERT_FALSE(batch.commit());
  ending.reset();
  EXPECT_FALSE(engine().resynchronise());
  EXPECT_TRUE(engine().resynchronise());
  EXPECT_EQ(code.data()[5], 0xE9);

  StaticKey key("another");
  Code held_up = published(engine(), 64, {{&key, SiteForm::Unaligned, 5, {32}}});
  const std::uint64_t site = address(held_up, 5);
  fail_at(1);
  batch.enable(key);
  ASSERT_FALSE(batch.commit());
  EXPECT_EQ(detail::answer_trap(site).verdict, Verdict::Resume);
  code = Code();
  held_up = Code();
  engine_.engine.reset();
  EXPECT_EQ(detail::answer_trap(site).verdict, Verdict::Foreign) << "and its memory is not read";
}

TEST_F(X86Breakpoints, CodeMayBePublishedWhileABatchIsHeldUp) {
  const Code code = published(engine(), 64, {{&key_, SiteForm::Unaligned, 5, {32}}});
  fail_at(1);
  PatchBatch batch(engine());
  batch.enable(key_);
  ASSERT_FALSE(batch.commit());
  std::vector<Code> more;
  for (int i = 0; i < 100; ++i) more.push_back(published(engine(), 64, {{&key_, SiteForm::Unaligned, 5, {32}}}));
  EXPECT_EQ(more[99].data()[5], 0xE9) << "born in the state that is being written";
  EXPECT_EQ(answer(code, 5).resumption, (arch::Resumption{address(code, 32), 0}));
  ASSERT_TRUE(engine().resynchronise());
  EXPECT_EQ(code.data()[5], 0xE9);
  batch.disable(key_);
  EXPECT_EQ(committed(batch).sites_written, 101U);
}

TEST_F(X86Breakpoints, SeveralEnginesShareTheHandler) {
  RecordingEngine second = RecordingEngine::x86_64();
  StaticKey key("of the second");
  const Code a = published(engine(), 64, {{&key_, SiteForm::Unaligned, 5, {32}}});
  const Code b = published(*second.engine, 64, {{&key, SiteForm::Unaligned, 7, {40}}});
  fail_at(1);
  second.recording->failing_serialisations = 1;
  PatchBatch batch_a(engine()), batch_b(*second.engine);
  batch_a.enable(key_);
  batch_b.enable(key);
  ASSERT_FALSE(batch_a.commit());
  ASSERT_FALSE(batch_b.commit());
  EXPECT_EQ(answer(a, 5).resumption, (arch::Resumption{address(a, 32), 0}));
  EXPECT_EQ(answer(b, 7).resumption, (arch::Resumption{address(b, 40), 0}));
  ASSERT_TRUE(second.engine->resynchronise());
  EXPECT_EQ(answer(a, 5).verdict, Verdict::Resume);
  EXPECT_EQ(answer(b, 7).verdict, Verdict::Rewind);
}

TEST_F(X86Breakpoints, ABatchIsRefusedIfNobodyWouldHandleTheTrap) {
  const Code code = published(engine(), 64, {{&key_, SiteForm::Unaligned, 5, {32}}});
  for (auto* const action : {SIG_DFL, SIG_IGN}) {
    struct sigaction ours{};
    struct sigaction other{};
    other.sa_handler = action;
    sigaction(SIGTRAP, &other, &ours);
    PatchBatch batch(engine());
    recording().clear();
    batch.enable(key_);
    const auto report = batch.commit();
    sigaction(SIGTRAP, &ours, nullptr);
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code(), ErrorCode::TrapHandlerReplaced);
    EXPECT_EQ(recording().steps, Steps{});
    EXPECT_FALSE(key_.enabled());
  }
}

class X86Strict : public X86Breakpoints {
 protected:
  X86Strict() {
    EngineOptions options;
    options.cross_modification = CrossModification::Strict;
    engine_ = RecordingEngine::x86_64(options);
  }
};

TEST_F(X86Strict, EveryFormGoesByBreakpoints) {
  const Code code = published(engine(), 256,
                              {{&key_, SiteForm::Toggle, 3, {200}},
                               {&key_, SiteForm::AlignedWord, 12, {200}},  // with four prefixes
                               {&key_, SiteForm::AlignedWord, 32, {200}},
                               {&key_, SiteForm::Unaligned, 62, {200}}});
  recording().clear();
  PatchBatch batch(engine());
  batch.enable(key_);
  const CommitReport report = committed(batch);
  EXPECT_EQ(recording().steps,
            (Steps{"check rx+0x3", "check rx+0xc", "check rx+0x20", "check rx+0x3e",                   //
                   "store1 rw+0x3", "store1 rw+0xc", "store1 rw+0x20", "store1 rw+0x3e", "serialise",  //
                   "tail4 rw+0x4", "tail8 rw+0xd", "tail4 rw+0x21", "tail4 rw+0x3f", "serialise",      //
                   "store1 rw+0x3", "store1 rw+0xc", "store1 rw+0x20", "store1 rw+0x3e", "serialise"}));
  EXPECT_EQ(report.serialisations, 3U);
  EXPECT_EQ(report.sites_written, 4U);
  EXPECT_EQ(recording().stores[1].old_value, 0x2EU) << "the prefix is the instruction's first byte";
  EXPECT_EQ(recording().stores[5].new_value, 0x2EU);
  for (const SiteInfo& site : engine().sites(code)) {
    EXPECT_EQ(engine().instruction_now(site), engine().instruction(site, 1));
  }
  batch.disable(key_);
  committed(batch);
  for (const SiteInfo& site : engine().sites(code)) {
    EXPECT_EQ(engine().instruction_now(site), engine().instruction(site, 0));
  }
}

TEST_F(X86Strict, ThreadsGoOnBehindThePrefixes) {
  const Code code = published(engine(), 256, {{&key_, SiteForm::AlignedWord, 12, {200}}});
  PatchBatch batch(engine());
  batch.enable(key_);
  fail_at(1);
  ASSERT_FALSE(batch.commit());
  EXPECT_EQ(answer(code, 12).resumption, (arch::Resumption{address(code, 200), 0}));
  ASSERT_TRUE(engine().resynchronise());
  batch.disable(key_);
  fail_at(1);
  ASSERT_FALSE(batch.commit());
  EXPECT_EQ(answer(code, 12).resumption, (arch::Resumption{address(code, 21), 0}));
  ASSERT_TRUE(engine().resynchronise());
  EXPECT_EQ(answer(code, 12).verdict, Verdict::Rewind);
}

}  // namespace
}  // namespace shunt::test
