#include <asmjit/arm/a64assembler.h>
#include <asmjit/x86.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <vector>

#include "shunt/codegen/asmjit.h"
#include "tests/engine/recording.h"

namespace shunt::test {
namespace {

namespace x86 = asmjit::x86;
namespace a64 = asmjit::a64;

class X86SiteEmitter : public testing::Test {
 protected:
  void SetUp() override {
    auto engine = Engine::create();
    ASSERT_TRUE(engine) << engine.error().message();
    engine_ = std::move(*engine);
    ASSERT_EQ(holder_.init(asmjit::Environment(asmjit::Arch::kX64)), asmjit::kErrorOk);
    ASSERT_EQ(holder_.attach(&a_), asmjit::kErrorOk);
  }
  Engine& engine() { return *engine_; }
  void returns(int value) {
    a_.mov(x86::eax, value);
    a_.ret();
  }
  void commit(StaticKey& key, bool on) {
    PatchBatch batch(engine());
    batch.set(key, on);
    EXPECT_TRUE(batch.commit());
  }

  std::unique_ptr<Engine> engine_;
  asmjit::CodeHolder holder_;
  x86::Assembler a_;
  StaticKey key_{"key"};
};

TEST_F(X86SiteEmitter, ForwardAndBackwardTargetsAtEveryOffset) {
  for (Flags flags : {Flags::Live, Flags::Dead}) {
    for (int padding = 0; padding < 64; ++padding) {
      asmjit::CodeHolder holder;
      holder.init(asmjit::Environment(asmjit::Arch::kX64));
      x86::Assembler a(&holder);
      SiteEmitter sites(a);
      const asmjit::Label start = a.newLabel(), back = a.newLabel(), forward = a.newLabel();
      a.jmp(start);
      a.bind(back);
      a.mov(x86::eax, 1);
      a.ret();
      a.bind(start);
      for (int i = 0; i < padding; ++i) a.nop();
      a.test(x86::edi, x86::edi);
      const asmjit::Label second = a.newLabel();
      a.jnz(second);
      EXPECT_EQ(sites.branch(key_, back, flags), 0U);
      a.mov(x86::eax, 0);
      a.ret();
      a.bind(second);
      EXPECT_EQ(sites.branch(key_, forward, flags), 1U);
      a.mov(x86::eax, 2);
      a.ret();
      a.bind(forward);
      a.mov(x86::eax, 3);
      a.ret();
      commit(key_, false);
      auto f = publish<int(int)>(engine(), holder, sites);
      ASSERT_TRUE(f) << f.error().message();
      EXPECT_EQ((*f)(0), 0);
      EXPECT_EQ((*f)(1), 2);
      commit(key_, true);
      EXPECT_EQ((*f)(0), 1);
      EXPECT_EQ((*f)(1), 3);
      for (const SiteInfo& site : engine().sites(f->code())) {
        EXPECT_EQ(site.form, flags == Flags::Dead ? SiteForm::Toggle : SiteForm::AlignedWord);
      }
    }
  }
}

TEST_F(X86SiteEmitter, AnUnalignedSiteIsFiveBytesWhereverItStands) {
  for (int padding = 0; padding < 64; ++padding) {
    asmjit::CodeHolder holder;
    holder.init(asmjit::Environment(asmjit::Arch::kX64));
    x86::Assembler a(&holder);
    SiteEmitter sites(a);
    const asmjit::Label taken = a.newLabel(), start = a.newLabel();
    a.jmp(start);
    for (int i = 0; i < padding; ++i) a.nop();
    a.bind(start);
    const std::size_t before = a.offset();
    sites.branch(key_, taken, SiteForm::Unaligned);
    EXPECT_EQ(a.offset() - before, 5U);
    a.mov(x86::eax, 0);
    a.ret();
    a.bind(taken);
    a.mov(x86::eax, 1);
    a.ret();
    auto f = publish<int()>(engine(), holder, sites);
    ASSERT_TRUE(f) << f.error().message();
    EXPECT_EQ(engine().sites(f->code())[0].form, SiteForm::Unaligned);
    for (bool on : {true, false}) {
      commit(key_, on);
      EXPECT_EQ((*f)(), on ? 1 : 0);
    }
  }
}

TEST_F(X86SiteEmitter, ASwitchMayBeUnaligned) {
  StaticSwitch choice("choice", 3);
  SiteEmitter sites(a_);
  const std::array targets = {a_.newLabel(), a_.newLabel()};
  a_.nop();
  sites.branch(choice, targets, SiteForm::Unaligned);
  returns(0);
  a_.bind(targets[0]);
  returns(1);
  a_.bind(targets[1]);
  returns(2);
  auto f = publish<int()>(engine(), holder_, sites);
  ASSERT_TRUE(f);
  PatchBatch batch(engine());
  for (unsigned state : {1U, 2U, 0U, 2U, 1U}) {
    batch.set(choice, state);
    ASSERT_TRUE(batch.commit());
    EXPECT_EQ((*f)(), static_cast<int>(state));
  }
}

TEST_F(X86SiteEmitter, AnAlignedWordKeepsTheFlags) {
  SiteEmitter sites(a_);
  const asmjit::Label join = a_.newLabel();
  a_.cmp(x86::edi, 7);
  sites.branch(key_, join, Flags::Live);
  a_.bind(join);
  a_.sete(x86::al);
  a_.movzx(x86::eax, x86::al);
  a_.ret();
  auto f = publish<int(int)>(engine(), holder_, sites);
  ASSERT_TRUE(f);
  for (bool on : {false, true}) {
    commit(key_, on);
    EXPECT_EQ((*f)(7), 1);
    EXPECT_EQ((*f)(8), 0);
  }
}

TEST_F(X86SiteEmitter, ASwitchGoesToEachOfItsTargets) {
  StaticSwitch choice("choice", 4);
  SiteEmitter sites(a_);
  const std::array targets = {a_.newLabel(), a_.newLabel(), a_.newLabel()};
  sites.branch(choice, targets);
  returns(0);
  for (int i = 0; i < 3; ++i) {
    a_.bind(targets[static_cast<std::size_t>(i)]);
    returns(i + 1);
  }
  auto f = publish<int()>(engine(), holder_, sites);
  ASSERT_TRUE(f);
  PatchBatch batch(engine());
  for (unsigned state : {1U, 3U, 2U, 0U, 3U}) {
    batch.set(choice, state);
    ASSERT_TRUE(batch.commit());
    EXPECT_EQ((*f)(), static_cast<int>(state));
  }
}

TEST_F(X86SiteEmitter, ARedirectBranchesInEveryState) {
  StaticSwitch choice("choice", 3);
  SiteEmitter sites(a_);
  const std::array targets = {a_.newLabel(), a_.newLabel(), a_.newLabel()};
  const asmjit::Label off = a_.newLabel(), on = a_.newLabel();
  a_.test(x86::edi, x86::edi);
  const asmjit::Label second = a_.newLabel();
  a_.jnz(second);
  sites.redirect(choice, targets);
  a_.bind(second);
  sites.redirect(key_, off, on);
  for (int i = 0; i < 3; ++i) {
    a_.bind(targets[static_cast<std::size_t>(i)]);
    returns(i);
  }
  a_.bind(off);
  returns(10);
  a_.bind(on);
  returns(11);
  auto f = publish<int(int)>(engine(), holder_, sites);
  ASSERT_TRUE(f) << f.error().message();
  PatchBatch batch(engine());
  for (unsigned state : {0U, 2U, 1U, 0U}) {
    batch.set(choice, state);
    batch.set(key_, state % 2 != 0);
    ASSERT_TRUE(batch.commit());
    EXPECT_EQ((*f)(0), static_cast<int>(state));
    EXPECT_EQ((*f)(1), state % 2 != 0 ? 11 : 10);
  }
}

int plus_one(int x) {
  return x + 1;
}
int times_two(int x) {
  return 2 * x;
}

TEST_F(X86SiteEmitter, ACallGoesWhereItsStaticCallDoes) {
  StaticCall<int(int)> call("call", &plus_one);
  SiteEmitter sites(a_);
  a_.sub(x86::rsp, 8);
  sites.call(call);
  a_.add(x86::rsp, 8);
  a_.ret();
  auto f = publish<int(int)>(engine(), holder_, sites);
  ASSERT_TRUE(f) << f.error().message();
  EXPECT_EQ((*f)(21), 22);
  PatchBatch batch(engine());
  batch.set(call, &times_two);
  ASSERT_TRUE(batch.commit());
  EXPECT_EQ((*f)(21), 42);
  batch.set(call, f->get());  // itself would never return; only the site's target is looked at
  ASSERT_TRUE(batch.commit());
  EXPECT_EQ(engine().sites(f->code())[0].targets[0], f->code().data());
}

TEST_F(X86SiteEmitter, AnAssumptionSendsItsDependentsToTheSlowPath) {
  Assumption fact("fact");
  SiteEmitter sites(a_);
  const asmjit::Label slow = a_.newLabel();
  sites.branch(fact, slow, Flags::Dead);
  returns(1);
  a_.bind(slow);
  returns(2);
  auto f = publish<int()>(engine(), holder_, sites);
  ASSERT_TRUE(f) << f.error().message();
  EXPECT_EQ((*f)(), 1);
  PatchBatch batch(engine());
  batch.invalidate(fact);
  ASSERT_TRUE(batch.commit());
  EXPECT_EQ((*f)(), 2);

  asmjit::CodeHolder later;
  later.init(asmjit::Environment(asmjit::Arch::kX64));
  x86::Assembler b(&later);
  SiteEmitter no_sites(b);
  no_sites.depend(fact);
  b.ret();
  const auto refused = publish_code(engine(), later, no_sites);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::AssumptionBroken);
}

TEST_F(X86SiteEmitter, ReportsAnUnboundTarget) {
  SiteEmitter sites(a_);
  sites.branch(key_, a_.newLabel(), Flags::Dead);
  returns(0);
  const auto code = publish_code(engine(), holder_, sites);
  ASSERT_FALSE(code);
  EXPECT_EQ(code.error().code(), ErrorCode::InvalidArgument);
  EXPECT_NE(code.error().message().find("not bound"), std::string::npos);
}

TEST_F(X86SiteEmitter, ReportsAnInvalidLabel) {
  SiteEmitter sites(a_);
  sites.branch(key_, asmjit::Label(), Flags::Dead);
  returns(0);
  EXPECT_FALSE(publish_code(engine(), holder_, sites));
}

TEST_F(X86SiteEmitter, ReportsAnUnboundLabelOfOtherCode) {
  SiteEmitter sites(a_);
  a_.jmp(a_.newLabel());
  const auto code = publish_code(engine(), holder_, sites);
  ASSERT_FALSE(code);
  EXPECT_NE(code.error().message().find("1 references to labels that are not bound"), std::string::npos)
      << code.error().message();
}

TEST_F(X86SiteEmitter, SitesInASecondSection) {
  asmjit::Section* cold = nullptr;
  ASSERT_EQ(holder_.newSection(&cold, ".cold", SIZE_MAX, asmjit::SectionFlags::kExecutable, 16), asmjit::kErrorOk);
  SiteEmitter sites(a_);
  const asmjit::Label other = a_.newLabel(), back = a_.newLabel();
  a_.jmp(other);
  a_.bind(back);
  returns(1);
  a_.section(cold);
  a_.nop();
  a_.bind(other);
  sites.branch(key_, back);
  returns(0);
  auto f = publish<int()>(engine(), holder_, sites);
  ASSERT_TRUE(f) << f.error().message();
  EXPECT_EQ((*f)(), 0);
  commit(key_, true);
  EXPECT_EQ((*f)(), 1);
}

TEST_F(X86SiteEmitter, RefusesAMisalignedSection) {
  asmjit::Section* cold = nullptr;
  ASSERT_EQ(holder_.newSection(&cold, ".cold", SIZE_MAX, asmjit::SectionFlags::kExecutable, 1), asmjit::kErrorOk);
  SiteEmitter sites(a_);
  const asmjit::Label target = a_.newLabel();
  a_.ret();
  a_.section(cold);
  sites.branch(key_, target);
  a_.bind(target);
  a_.ret();
  const auto code = publish_code(engine(), holder_, sites);
  ASSERT_FALSE(code);
  EXPECT_NE(code.error().message().find("aligned to 8"), std::string::npos);
}

TEST_F(X86SiteEmitter, RefusesCodeForAnotherInstructionSet) {
  asmjit::CodeHolder holder;
  holder.init(asmjit::Environment(asmjit::Arch::kAArch64));
  a64::Assembler a(&holder);
  SiteEmitter sites(a);
  a.nop();
  const auto code = publish_code(engine(), holder, sites);
  ASSERT_FALSE(code);
  EXPECT_NE(code.error().message().find("instruction set"), std::string::npos);
}

TEST_F(X86SiteEmitter, EmittingASiteNeedsNoHeapOfItsOwn) {
  static_assert(std::is_trivially_copyable_v<SiteEmitter::PendingSite>);
  static_assert(sizeof(SiteEmitter::PendingSite) <= 32);
}

TEST(Arm64SiteEmitter, EmitsOneInstructionForEitherFlags) {
  RecordingEngine made = RecordingEngine::arm64(0x8444C004);
  StaticKey key("key");
  StaticSwitch choice("choice", 3);
  asmjit::CodeHolder holder;
  holder.init(asmjit::Environment(asmjit::Arch::kAArch64));
  a64::Assembler a(&holder);
  SiteEmitter sites(a);
  const std::array targets = {a.newLabel(), a.newLabel()};
  sites.branch(key, targets[0], Flags::Dead);
  sites.branch(key, targets[0], Flags::Live);
  sites.branch(choice, targets);
  EXPECT_EQ(a.offset(), 12U);
  sites.branch(key, targets[0], SiteForm::Unaligned);
  EXPECT_EQ(a.offset(), 16U);
  a.bind(targets[0]);
  a.nop();
  a.bind(targets[1]);
  a.ret(a64::x30);
  auto code = publish_code(*made.engine, holder, sites);
  ASSERT_TRUE(code) << code.error().message();
  PatchBatch batch(*made.engine);
  batch.enable(key);
  batch.set(choice, 2);
  ASSERT_TRUE(batch.commit());
  const std::vector<SiteInfo> infos = made.engine->sites(*code);
  ASSERT_EQ(infos.size(), 4U);
  EXPECT_EQ(made.engine->instruction_now(infos[0]), "b +0x10");
  EXPECT_EQ(made.engine->instruction_now(infos[1]), "b +0xc");
  EXPECT_EQ(made.engine->instruction_now(infos[2]), "b +0xc");
  EXPECT_EQ(made.engine->instruction_now(infos[3]), "b +0x4");
  EXPECT_EQ(made.engine->instruction(infos[2], 1), "b +0x8");
  EXPECT_EQ(made.engine->instruction(infos[2], 0), "nop");
}

TEST(Arm64SiteEmitter, EmitsRedirectsCallsAndAssumptions) {
  RecordingEngine made = RecordingEngine::arm64(0x8444C004);
  StaticSwitch choice("choice", 2);
  StaticCall<void()> call("call");
  Assumption fact("fact");
  asmjit::CodeHolder holder;
  holder.init(asmjit::Environment(asmjit::Arch::kAArch64));
  a64::Assembler a(&holder);
  SiteEmitter sites(a);
  const std::array targets = {a.newLabel(), a.newLabel()};
  sites.redirect(choice, targets);
  sites.call(call);
  sites.branch(fact, targets[0], Flags::Dead);
  EXPECT_EQ(a.offset(), 12U);
  a.bind(targets[0]);
  a.nop();
  a.bind(targets[1]);
  a.ret(a64::x30);
  auto code = publish_code(*made.engine, holder, sites);
  ASSERT_TRUE(code) << code.error().message();
  const std::vector<SiteInfo> infos = made.engine->sites(*code);
  ASSERT_EQ(infos.size(), 3U);
  EXPECT_EQ(made.engine->instruction_now(infos[0]), "b +0xc");
  EXPECT_EQ(made.engine->instruction_now(infos[1]), "nop");
  EXPECT_EQ(made.engine->instruction_now(infos[2]), "nop");
  PatchBatch batch(*made.engine);
  batch.set(choice, 1);
  batch.set(call, code->entry<void()>(12));
  batch.invalidate(fact);
  ASSERT_TRUE(batch.commit());
  EXPECT_EQ(made.engine->instruction_now(infos[0]), "b +0x10");
  EXPECT_EQ(made.engine->instruction_now(infos[1]), "bl +0x8");
  EXPECT_EQ(made.engine->instruction_now(infos[2]), "b +0x4");
}

}  // namespace
}  // namespace shunt::test
