// Sites in code that asmjit made, as the host runs it.
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <type_traits>

#include "shunt/codegen/asmjit.h"
#include "tests/engine/codegen/guest_code.h"

namespace shunt::test {
namespace {

class SiteEmitterTest : public testing::Test {
 protected:
  void SetUp() override {
    auto engine = Engine::create();
    ASSERT_TRUE(engine) << engine.error().message();
    engine_ = std::move(*engine);
  }
  Engine& engine() { return *engine_; }
  void commit(StaticKey& key, bool on) {
    PatchBatch batch(engine());
    batch.set(key, on);
    EXPECT_TRUE(batch.commit());
  }

  std::unique_ptr<Engine> engine_;
  GuestCode code_;
  StaticKey key_{"key"};
};

TEST_F(SiteEmitterTest, ForwardAndBackwardTargetsAtEveryOffset) {
  for (Flags flags : {Flags::Live, Flags::Dead}) {
    for (int padding = 0; padding < 64; ++padding) {
      GuestCode code;
      const asmjit::Label start = code.label(), back = code.label(), forward = code.label(), second = code.label();
      code.jump(start);
      code.bind(back);
      code.returns(1);
      code.bind(start);
      for (int i = 0; i < padding; ++i) code.nop();
      code.jump_if_zero(Value::Argument, second);
      EXPECT_EQ(code.sites.branch(key_, back, flags), 0U);
      code.returns(0);
      code.bind(second);
      EXPECT_EQ(code.sites.branch(key_, forward, flags), 1U);
      code.returns(2);
      code.bind(forward);
      code.returns(3);
      commit(key_, false);
      auto f = publish<int(int)>(engine(), code.holder, code.sites);
      ASSERT_TRUE(f) << f.error().message();
      EXPECT_EQ((*f)(1), 0);
      EXPECT_EQ((*f)(0), 2);
      commit(key_, true);
      EXPECT_EQ((*f)(1), 1);
      EXPECT_EQ((*f)(0), 3);
      for (const SiteInfo& site : engine().sites(f->code())) {
        EXPECT_EQ(site.form, flags == Flags::Dead && GuestCode::toggles ? SiteForm::Toggle : SiteForm::AlignedWord);
      }
    }
  }
}

TEST_F(SiteEmitterTest, AnUnalignedSiteIsAsShortAsSitesAreWhereverItStands) {
  for (int padding = 0; padding < 64; ++padding) {
    GuestCode code;
    const asmjit::Label taken = code.label(), start = code.label();
    code.jump(start);
    for (int i = 0; i < padding; ++i) code.nop();
    code.bind(start);
    const std::size_t before = code.size();
    code.sites.branch(key_, taken, SiteForm::Unaligned);
    EXPECT_EQ(code.size() - before, GuestCode::shortest_site);
    code.returns(0);
    code.bind(taken);
    code.returns(1);
    auto f = publish<int()>(engine(), code.holder, code.sites);
    ASSERT_TRUE(f) << f.error().message();
    EXPECT_EQ(engine().sites(f->code())[0].form, GuestCode::toggles ? SiteForm::Unaligned : SiteForm::AlignedWord);
    for (bool on : {true, false}) {
      commit(key_, on);
      EXPECT_EQ((*f)(), on ? 1 : 0);
    }
  }
}

TEST_F(SiteEmitterTest, ASwitchMayBeUnaligned) {
  StaticSwitch choice("choice", 3);
  SiteEmitter& sites = code_.sites;
  const std::array targets = {code_.label(), code_.label()};
  code_.nop();
  sites.branch(choice, targets, SiteForm::Unaligned);
  code_.returns(0);
  code_.bind(targets[0]);
  code_.returns(1);
  code_.bind(targets[1]);
  code_.returns(2);
  auto f = publish<int()>(engine(), code_.holder, sites);
  ASSERT_TRUE(f);
  PatchBatch batch(engine());
  for (unsigned state : {1U, 2U, 0U, 2U, 1U}) {
    batch.set(choice, state);
    ASSERT_TRUE(batch.commit());
    EXPECT_EQ((*f)(), static_cast<int>(state));
  }
}

TEST_F(SiteEmitterTest, AnAlignedWordKeepsTheFlags) {
  SiteEmitter& sites = code_.sites;
  const asmjit::Label join = code_.label();
  code_.compare(Value::Argument, 7);
  sites.branch(key_, join, Flags::Live);
  code_.bind(join);
  code_.set_if_equal(Value::Result);
  code_.ret();
  auto f = publish<int(int)>(engine(), code_.holder, sites);
  ASSERT_TRUE(f);
  for (bool on : {false, true}) {
    commit(key_, on);
    EXPECT_EQ((*f)(7), 1);
    EXPECT_EQ((*f)(8), 0);
  }
}

TEST_F(SiteEmitterTest, ASwitchGoesToEachOfItsTargets) {
  StaticSwitch choice("choice", 4);
  SiteEmitter& sites = code_.sites;
  const std::array targets = {code_.label(), code_.label(), code_.label()};
  sites.branch(choice, targets);
  code_.returns(0);
  for (int i = 0; i < 3; ++i) {
    code_.bind(targets[static_cast<std::size_t>(i)]);
    code_.returns(i + 1);
  }
  auto f = publish<int()>(engine(), code_.holder, sites);
  ASSERT_TRUE(f);
  PatchBatch batch(engine());
  for (unsigned state : {1U, 3U, 2U, 0U, 3U}) {
    batch.set(choice, state);
    ASSERT_TRUE(batch.commit());
    EXPECT_EQ((*f)(), static_cast<int>(state));
  }
}

TEST_F(SiteEmitterTest, ARedirectBranchesInEveryState) {
  StaticSwitch choice("choice", 3);
  SiteEmitter& sites = code_.sites;
  const std::array targets = {code_.label(), code_.label(), code_.label()};
  const asmjit::Label off = code_.label(), on = code_.label();
  const asmjit::Label second = code_.label();
  code_.jump_if_zero(Value::Argument, second);
  sites.redirect(choice, targets);
  code_.bind(second);
  sites.redirect(key_, off, on);
  for (int i = 0; i < 3; ++i) {
    code_.bind(targets[static_cast<std::size_t>(i)]);
    code_.returns(i);
  }
  code_.bind(off);
  code_.returns(10);
  code_.bind(on);
  code_.returns(11);
  auto f = publish<int(int)>(engine(), code_.holder, sites);
  ASSERT_TRUE(f) << f.error().message();
  PatchBatch batch(engine());
  for (unsigned state : {0U, 2U, 1U, 0U}) {
    batch.set(choice, state);
    batch.set(key_, state % 2 != 0);
    ASSERT_TRUE(batch.commit());
    EXPECT_EQ((*f)(1), static_cast<int>(state));
    EXPECT_EQ((*f)(0), state % 2 != 0 ? 11 : 10);
  }
}

int plus_one(int x) {
  return x + 1;
}
int times_two(int x) {
  return 2 * x;
}

TEST_F(SiteEmitterTest, ACallGoesWhereItsStaticCallDoes) {
  StaticCall<int(int)> call("call", &plus_one);
  SiteEmitter& sites = code_.sites;
  code_.prologue();
  sites.call(call);
  code_.epilogue();
  auto f = publish<int(int)>(engine(), code_.holder, sites);
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

TEST_F(SiteEmitterTest, AnAssumptionSendsItsDependentsToTheSlowPath) {
  Assumption fact("fact");
  SiteEmitter& sites = code_.sites;
  const asmjit::Label slow = code_.label();
  sites.branch(fact, slow, Flags::Dead);
  code_.returns(1);
  code_.bind(slow);
  code_.returns(2);
  auto f = publish<int()>(engine(), code_.holder, sites);
  ASSERT_TRUE(f) << f.error().message();
  EXPECT_EQ((*f)(), 1);
  PatchBatch batch(engine());
  batch.invalidate(fact);
  ASSERT_TRUE(batch.commit());
  EXPECT_EQ((*f)(), 2);

  GuestCode later;
  later.sites.depend(fact);
  later.ret();
  const auto refused = publish_code(engine(), later.holder, later.sites);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::AssumptionBroken);
}

TEST_F(SiteEmitterTest, ReportsAnUnboundTarget) {
  SiteEmitter& sites = code_.sites;
  sites.branch(key_, code_.label(), Flags::Dead);
  code_.returns(0);
  const auto code = publish_code(engine(), code_.holder, sites);
  ASSERT_FALSE(code);
  EXPECT_EQ(code.error().code(), ErrorCode::InvalidArgument);
  EXPECT_NE(code.error().message().find("not bound"), std::string::npos);
}

TEST_F(SiteEmitterTest, ReportsAnInvalidLabel) {
  SiteEmitter& sites = code_.sites;
  sites.branch(key_, asmjit::Label(), Flags::Dead);
  code_.returns(0);
  EXPECT_FALSE(publish_code(engine(), code_.holder, sites));
}

TEST_F(SiteEmitterTest, ReportsAnUnboundLabelOfOtherCode) {
  SiteEmitter& sites = code_.sites;
  code_.jump(code_.label());
  const auto code = publish_code(engine(), code_.holder, sites);
  ASSERT_FALSE(code);
  EXPECT_NE(code.error().message().find("1 references to labels that are not bound"), std::string::npos)
      << code.error().message();
}

TEST_F(SiteEmitterTest, SitesInASecondSection) {
  asmjit::Section* cold = nullptr;
  ASSERT_EQ(code_.holder.newSection(&cold, ".cold", SIZE_MAX, asmjit::SectionFlags::kExecutable, 16), asmjit::kErrorOk);
  SiteEmitter& sites = code_.sites;
  const asmjit::Label other = code_.label(), back = code_.label();
  code_.jump(other);
  code_.bind(back);
  code_.returns(1);
  code_.a.section(cold);
  code_.nop();
  code_.bind(other);
  sites.branch(key_, back);
  code_.returns(0);
  auto f = publish<int()>(engine(), code_.holder, sites);
  ASSERT_TRUE(f) << f.error().message();
  EXPECT_EQ((*f)(), 0);
  commit(key_, true);
  EXPECT_EQ((*f)(), 1);
}

TEST_F(SiteEmitterTest, RefusesAMisalignedSection) {
  asmjit::Section* cold = nullptr;
  ASSERT_EQ(code_.holder.newSection(&cold, ".cold", SIZE_MAX, asmjit::SectionFlags::kExecutable, 1), asmjit::kErrorOk);
  SiteEmitter& sites = code_.sites;
  const asmjit::Label target = code_.label();
  code_.ret();
  code_.a.section(cold);
  sites.branch(key_, target);
  code_.bind(target);
  code_.ret();
  const auto code = publish_code(engine(), code_.holder, sites);
  ASSERT_FALSE(code);
  EXPECT_NE(code.error().message().find("aligned to 8"), std::string::npos);
}

TEST_F(SiteEmitterTest, RefusesCodeForAnotherInstructionSet) {
  std::conditional_t<std::is_same_v<GuestCode, X86GuestCode>, Arm64GuestCode, X86GuestCode> foreign;
  foreign.nop();
  const auto code = publish_code(engine(), foreign.holder, foreign.sites);
  ASSERT_FALSE(code);
  EXPECT_NE(code.error().message().find("instruction set"), std::string::npos);
}

TEST_F(SiteEmitterTest, EmittingASiteNeedsNoHeapOfItsOwn) {
  static_assert(std::is_trivially_copyable_v<SiteEmitter::PendingSite>);
  static_assert(sizeof(SiteEmitter::PendingSite) <= 32);
}

}  // namespace
}  // namespace shunt::test
