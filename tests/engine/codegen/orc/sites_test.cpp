// Branch sites in IR: what they do, which records the linker keeps, and what becomes of them.
#include <llvm/Transforms/Utils/Cloning.h>
#include <llvm/Transforms/Utils/LoopUtils.h>

#include <array>
#include <atomic>
#include <thread>

#include "tests/engine/codegen/orc/orc_jit.h"

namespace shunt::test {
namespace {

TEST_F(OrcTest, EachFormFlips) {
  for (const SiteForm form : {SiteForm::Toggle, SiteForm::AlignedWord, SiteForm::Unaligned}) {
    const std::string name = "f" + std::to_string(static_cast<int>(form));
    Ir ir;
    ir.answering(name, key_, form);
    add(ir);
    auto* const f = find(name);
    ASSERT_NE(f, nullptr);
    for (const unsigned state : {1U, 0U, 1U, 0U}) {
      set(key_, state);
      EXPECT_EQ(f(0), static_cast<int>(state));
    }
  }
  set(key_, 1);
  EXPECT_EQ(written(), 3U);
}

TEST_F(OrcTest, ASwitchGoesToEachOfItsTargets) {
  StaticSwitch choice("choice", 5);
  Ir ir;
  ir.answering("f", choice, SiteForm::AlignedWord, 4);
  add(ir);
  auto* const f = find("f");
  ASSERT_NE(f, nullptr);
  for (const unsigned state : {3U, 1U, 4U, 0U, 2U}) {
    set(choice, state);
    EXPECT_EQ(f(0), static_cast<int>(state));
  }
}

TEST_F(OrcTest, ARedirectableFunctionGoesWhereItIsSentInEachState) {
  StaticSwitch choice("choice", 3);
  Ir ir;
  llvm::Function* const otherwise = ir.function("otherwise");
  ir.builder.CreateRet(ir.builder.CreateAdd(otherwise->getArg(0), ir.builder.getInt32(1)));
  auto* const f =
      llvm::Function::Create(otherwise->getFunctionType(), llvm::Function::ExternalLinkage, "f", *ir.module);
  orc::emit_redirectable(*f, choice, 3, *otherwise);
  llvm::Function* const caller = ir.function("caller");
  ir.builder.CreateRet(ir.builder.CreateMul(ir.builder.CreateCall(f, {caller->getArg(0)}), ir.builder.getInt32(2)));
  llvm::Function* const elsewhere = ir.function("elsewhere");
  ir.builder.CreateRet(ir.builder.CreateAdd(elsewhere->getArg(0), ir.builder.getInt32(10)));
  add(ir);
  auto* const call = find("caller");
  ASSERT_NE(call, nullptr);
  for (const unsigned state : {0U, 1U, 2U}) {
    set(choice, state);
    EXPECT_EQ(call(3), 8) << "nobody has said where else";
  }
  PatchBatch batch(engine());
  batch.retarget(choice, reinterpret_cast<const void*>(find("f")), 1, reinterpret_cast<const void*>(find("elsewhere")));
  ASSERT_TRUE(batch.commit());
  for (const unsigned state : {2U, 1U, 0U, 1U}) {
    set(choice, state);
    EXPECT_EQ(call(3), state == 1 ? 26 : 8);
  }
}

TEST_F(OrcTest, ATargetMayServeSeveralStates) {
  StaticSwitch choice("choice", 4);
  Ir ir;
  ir.function("f");
  llvm::BasicBlock* const off = ir.block("off");
  llvm::BasicBlock* const odd = ir.block("odd");
  llvm::BasicBlock* const even = ir.block("even");
  orc::emit_branch(ir.builder, choice, SiteForm::AlignedWord, off, std::array{odd, even, odd});
  for (const auto& [block, value] : {std::pair{off, 0}, {odd, 1}, {even, 2}}) {
    ir.builder.SetInsertPoint(block);
    ir.returns(value);
  }
  add(ir);
  auto* const f = find("f");
  ASSERT_NE(f, nullptr);
  for (const unsigned state : {1U, 2U, 3U, 0U}) {
    set(choice, state);
    EXPECT_EQ(f(0), state == 0 ? 0 : state == 2 ? 2 : 1);
  }
}

TEST_F(OrcTest, AtPublicationTheStateIsTheKeys) {
  Ir early;
  early.answering("early", key_, SiteForm::Toggle);
  add(early);
  set(key_, 1);
  EXPECT_EQ(find("early")(0), 1);
  Ir late;
  late.answering("late", key_, SiteForm::AlignedWord);
  add(late);
  EXPECT_EQ(find("late")(0), 1);
}

TEST_F(OrcTest, AFunctionThatIsStrippedLeavesNoRecord) {
  StaticKey stripped("stripped");
  Ir ir;
  ir.answering("dead", stripped, SiteForm::Toggle, 1, false);
  ir.answering("used", key_, SiteForm::Toggle);
  add(ir);
  ASSERT_NE(find("used"), nullptr);
  set(key_, 1);
  EXPECT_EQ(written(), 1U);
  set(stripped, 1);
  EXPECT_EQ(written(), 0U);
}

TEST_F(OrcTest, AFunctionThatIsUsedKeepsItsRecord) {
  Ir ir;
  llvm::Function* const callee = ir.answering("callee", key_, SiteForm::Toggle, 1, false);
  callee->addFnAttr(llvm::Attribute::NoInline);
  ir.function("caller");
  ir.builder.CreateRet(ir.builder.CreateCall(callee, {ir.builder.getInt32(0)}));
  add(ir);
  auto* const caller = find("caller");
  ASSERT_NE(caller, nullptr);
  EXPECT_EQ(caller(0), 0);
  set(key_, 1);
  EXPECT_EQ(written(), 1U);
  EXPECT_EQ(caller(0), 1);
}

TEST_F(OrcTest, EachCopyOfASiteFlips) {
  Ir ir;
  llvm::Function* const callee = ir.answering("callee", key_, SiteForm::Toggle, 1, false);
  ir.function("f");
  constexpr int copies = 8;  // what unrolling and inlining make
  std::vector<llvm::CallInst*> calls;
  llvm::Value* sum = ir.builder.getInt32(0);
  for (int i = 0; i < copies; ++i) {
    calls.push_back(ir.builder.CreateCall(callee, {ir.builder.getInt32(0)}));
    sum = ir.builder.CreateAdd(sum, calls.back());
  }
  ir.builder.CreateRet(sum);
  for (llvm::CallInst* const call : calls) {
    llvm::InlineFunctionInfo info;
    ASSERT_TRUE(llvm::InlineFunction(*call, info).isSuccess());
  }
  callee->eraseFromParent();
  add(ir);
  auto* const f = find("f");
  ASSERT_NE(f, nullptr);
  for (const unsigned state : {1U, 0U, 1U}) {
    set(key_, state);
    EXPECT_EQ(written(), static_cast<std::size_t>(copies));
    EXPECT_EQ(f(0), static_cast<int>(state) * copies);
  }
}

TEST_F(OrcTest, AnAssumptionThatIsBrokenRefusesTheCode) {
  Assumption assumption("nobody wrote");
  Ir before;
  before.answering("before", assumption, SiteForm::Toggle);
  add(before);
  EXPECT_EQ(find("before")(0), 0);
  PatchBatch batch(engine());
  batch.invalidate(assumption);
  ASSERT_TRUE(batch.commit());
  EXPECT_EQ(find("before")(0), 1);
  Ir after;
  after.answering("after", assumption, SiteForm::Toggle);
  add(after);
  jit().getExecutionSession().setErrorReporter([](llvm::Error error) {
    EXPECT_NE(llvm::toString(std::move(error)).find("\"nobody wrote\", which is broken"), std::string::npos);
  });
  EXPECT_NE(refusal("after"), "found");
}

TEST_F(OrcTest, AWrongNumberOfTargetsIsAnError) {
  StaticSwitch choice("choice of four", 4);
  Ir ir;
  ir.answering("f", choice, SiteForm::AlignedWord, 2);
  add(ir);
  std::string reported;
  jit().getExecutionSession().setErrorReporter(
      [&](llvm::Error error) { reported += llvm::toString(std::move(error)); });
  EXPECT_NE(refusal("f"), "found");
  EXPECT_NE(reported.find("\"choice of four\": 2 targets, but the key has 4 states"), std::string::npos) << reported;
  set(choice, 1);
  EXPECT_EQ(written(), 0U);
}

TEST_F(OrcTest, ATrackerThatIsRemovedTakesItsSitesAndItsMemoryAlong) {
  const std::size_t in_use = engine().stats().code_bytes_used;
  for (int i = 0; i < 3; ++i) {
    const auto tracker = jit().getMainJITDylib().createResourceTracker();
    Ir ir;
    ir.answering("f", key_, SiteForm::Toggle);
    add(ir, tracker);
    ASSERT_NE(find("f"), nullptr);
    set(key_, 1);
    EXPECT_EQ(written(), 1U);
    ASSERT_GT(engine().stats().code_bytes_used, in_use);
    llvm::Error error = tracker->remove();
    ASSERT_FALSE(static_cast<bool>(error)) << llvm::toString(std::move(error));
    ASSERT_TRUE(engine().await_retired());
    EXPECT_EQ(engine().stats().code_bytes_used, in_use);
    set(key_, 0);
    EXPECT_EQ(written(), 0U);
  }
}

TEST_F(OrcTest, FlipWhileThreadsRunThem) {
  Ir ir;
  ir.answering("toggle", key_, SiteForm::Toggle);
  ir.answering("word", key_, SiteForm::AlignedWord);
  add(ir);
  const std::array functions = {find("toggle"), find("word")};
  // Numbers of flips. A call during which none was under way finds the state after the last.
  std::atomic<unsigned> begun = 0, completed = 0, wrong = 0;
  std::atomic<bool> stop = false;
  std::vector<std::thread> runners;
  for (auto* const f : functions) {
    runners.emplace_back([&, f] {
      while (!stop.load(std::memory_order_relaxed)) {
        const unsigned before = completed.load(std::memory_order_acquire);
        const int found = f(0);
        const unsigned after = begun.load(std::memory_order_acquire);
        if (before == after && found != static_cast<int>(before % 2)) ++wrong;
        if (found != 0 && found != 1) ++wrong;
      }
    });
  }
  for (unsigned flip = 1; flip <= 500; ++flip) {
    begun.store(flip, std::memory_order_release);
    set(key_, flip % 2);
    completed.store(flip, std::memory_order_release);
    for (auto* const f : functions) ASSERT_EQ(f(0), static_cast<int>(flip % 2));
  }
  stop = true;
  for (std::thread& runner : runners) runner.join();
  EXPECT_EQ(wrong, 0U);
}

}  // namespace
}  // namespace shunt::test
