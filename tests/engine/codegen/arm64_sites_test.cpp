// Sites and stubs that are emitted for arm64, instruction by instruction, on every host.
#include <asmjit/arm/a64assembler.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "arch/arm64/encode.h"
#include "shunt/codegen/asmjit.h"
#include "tests/engine/codegen/guest_code.h"
#include "tests/engine/recording.h"

namespace shunt::test {
namespace {

namespace a64 = asmjit::a64;

constexpr std::uint64_t neoverse_n1 = 0x8444C004;  // its CTR_EL0

std::vector<std::uint32_t> words_at(const std::uint8_t* at, std::size_t count) {
  std::vector<std::uint32_t> words(count);
  std::memcpy(words.data(), at, 4 * count);
  return words;
}

std::uint64_t address_at(const std::uint8_t* at) {
  std::uint64_t address = 0;
  std::memcpy(&address, at, sizeof address);
  return address;
}

std::uint64_t address_of(const void* at) {
  return reinterpret_cast<std::uint64_t>(at);
}

std::uint32_t branch(const std::uint8_t* from, const std::uint8_t* to) {
  return arch::arm64::encode_b(address_of(from), address_of(to)).value_or(0);
}

TEST(Arm64SiteEmitter, EmitsOneInstructionForEitherFlags) {
  RecordingEngine made = RecordingEngine::arm64(neoverse_n1);
  StaticKey key("key");
  StaticSwitch choice("choice", 3);
  Arm64GuestCode writing;
  a64::Assembler& a = writing.a;
  SiteEmitter& sites = writing.sites;
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
  auto code = publish_code(*made.engine, writing.holder, sites);
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
  RecordingEngine made = RecordingEngine::arm64(neoverse_n1);
  StaticSwitch choice("choice", 2);
  StaticCall<void()> call("call");
  Assumption fact("fact");
  Arm64GuestCode writing;
  a64::Assembler& a = writing.a;
  SiteEmitter& sites = writing.sites;
  const std::array targets = {a.newLabel(), a.newLabel()};
  sites.redirect(choice, targets);
  sites.call(call);
  sites.branch(fact, targets[0], Flags::Dead);
  EXPECT_EQ(a.offset(), 12U);
  a.bind(targets[0]);
  a.nop();
  a.bind(targets[1]);
  a.ret(a64::x30);
  auto code = publish_code(*made.engine, writing.holder, sites);
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

// The same function without and with a site: what is more is one word, a no-op, wherever it may be passed.
TEST(Arm64SiteEmitter, ASiteThatIsOffIsExactlyOneInstruction) {
  RecordingEngine made = RecordingEngine::arm64(neoverse_n1);
  StaticKey key("key");
  StaticSwitch choice("choice", 2);
  StaticCall<void()> call("call");
  Assumption fact("fact");
  DemotableKey demotable("demotable");
  using EmitSite = std::function<void(SiteEmitter&, const asmjit::Label&)>;
  const EmitSite sites[] = {
      [](SiteEmitter&, const asmjit::Label&) {},
      [&](SiteEmitter& s, const asmjit::Label& to) { s.branch(key, to, Flags::Live); },
      [&](SiteEmitter& s, const asmjit::Label& to) { s.branch(key, to, Flags::Dead); },
      [&](SiteEmitter& s, const asmjit::Label& to) { s.branch(choice, {&to, 1}); },
      [&](SiteEmitter& s, const asmjit::Label& to) { s.branch(fact, to); },
      [&](SiteEmitter& s, const asmjit::Label& to) { s.branch(demotable, to); },
      [&](SiteEmitter& s, const asmjit::Label&) { s.call(call); },
      [&](SiteEmitter& s, const asmjit::Label&) { s.safepoint(*made.engine, Flags::Live); },
      [&](SiteEmitter& s, const asmjit::Label&) { s.safepoint(*made.engine, Flags::Dead); },
  };
  std::vector<std::uint32_t> plain;
  for (const EmitSite& emit : sites) {
    Arm64GuestCode writing;
    const asmjit::Label end = writing.label();
    writing.add(Value::Result, 1);
    emit(writing.sites, end);
    writing.add(Value::Result, 2);
    writing.bind(end);
    writing.ret();
    const std::size_t length = writing.size() / 4;
    const auto code = publish_code(*made.engine, writing.holder, writing.sites);
    ASSERT_TRUE(code) << code.error().message();
    std::vector<std::uint32_t> words = words_at(code->data(), length);
    if (plain.empty()) {
      plain = words;
      continue;
    }
    ASSERT_EQ(words.size(), plain.size() + 1);
    EXPECT_EQ(words[1], arch::arm64::nop_word);
    words.erase(words.begin() + 1);
    EXPECT_EQ(words, plain);
  }
}

TEST(Arm64SiteEmitter, RefusesASiteThatIsNotAligned) {
  RecordingEngine made = RecordingEngine::arm64(neoverse_n1);
  StaticKey key("key");
  Arm64GuestCode writing;
  const asmjit::Label end = writing.label();
  writing.a.embedUInt8(0);
  writing.sites.branch(key, end);
  writing.bind(end);
  writing.ret();
  EXPECT_FALSE(publish_code(*made.engine, writing.holder, writing.sites));
}

TEST(Arm64SiteEmitter, KeepsTheErrorOfAnAssembler) {
  RecordingEngine made = RecordingEngine::arm64(neoverse_n1);
  StaticKey key("key");
  Arm64GuestCode writing;
  writing.holder.detach(&writing.a);
  writing.sites.branch(key, asmjit::Label());
  EXPECT_NE(writing.sites.error(), asmjit::kErrorOk);
}

TEST(Arm64Stubs, ASafepointsStubCallsTheEntryAndComesBack) {
  RecordingEngine made = RecordingEngine::arm64(neoverse_n1);
  Arm64GuestCode writing;
  writing.sites.safepoint(*made.engine);
  writing.ret();
  writing.sites.safepoint(*made.engine);
  writing.ret();
  auto code = publish_code(*made.engine, writing.holder, writing.sites);
  ASSERT_TRUE(code) << code.error().message();
  for (const SiteInfo& site : made.engine->sites(*code)) {
    const std::uint8_t* const stub = site.targets[0];
    const std::uint8_t* const resume = site.address + 4;
    const std::uint8_t* const literals = stub + 32;
    const auto load = [&](unsigned position, unsigned reg, const std::uint8_t* from) {
      return 0x58000000U | static_cast<std::uint32_t>((from - (stub + 4 * position)) / 4) << 5 | reg;
    };
    EXPECT_EQ(words_at(stub, 8), (std::vector<std::uint32_t>{
                                     0xA9BE47F0,                 // stp x16, x17, [sp, #-32]!
                                     0xF9000BFE,                 // str x30, [sp, #16]
                                     load(2, 16, literals),      // ldr x16, =resume
                                     load(3, 17, literals + 8),  // ldr x17, =entry
                                     0xD63F0220,                 // blr x17
                                     0xF9400BFE,                 // ldr x30, [sp, #16]
                                     0xA8C247F0,                 // ldp x16, x17, [sp], #32
                                     branch(stub + 28, resume),
                                 }));
    EXPECT_EQ(address_at(literals), address_of(resume));
    EXPECT_EQ(address_at(literals + 8), address_of(Engine::safepoint_entry()));
  }
  PatchBatch batch(*made.engine);
  batch.enable(made.engine->safepoint_key());
  ASSERT_TRUE(batch.commit());
  EXPECT_EQ(made.engine->instruction_now(made.engine->sites(*code)[0]), "b +0x10");
}

TEST(Arm64Stubs, ADemotableSitesStubLoadsTheKeysStateWithAcquire) {
  RecordingEngine made = RecordingEngine::arm64(neoverse_n1);
  Arm64GuestCode writing;
  DemotableKey key("key");
  const asmjit::Label on = writing.label();
  writing.sites.branch(key, on);
  writing.ret();
  writing.bind(on);
  writing.nop();
  writing.ret();
  const auto code = publish_code(*made.engine, writing.holder, writing.sites);
  ASSERT_TRUE(code) << code.error().message();
  const std::vector<SiteInfo> infos = made.engine->sites(*code);
  ASSERT_EQ(infos.size(), 1U);
  const std::uint8_t* const stub = infos[0].targets[1];
  EXPECT_EQ(infos[0].targets[2], stub);
  EXPECT_EQ(words_at(stub, 8), (std::vector<std::uint32_t>{
                                   0xF81F0FF0,  // str x16, [sp, #-16]!
                                   0x580000F0,  // ldr x16, =word
                                   0x88DFFE10,  // ldar w16, [x16]
                                   0x34000070,  // cbz w16, +12
                                   0xF84107F0,  // ldr x16, [sp], #16
                                   branch(stub + 20, code->data() + 8),
                                   0xF84107F0,  // ldr x16, [sp], #16
                                   branch(stub + 28, code->data() + 4),
                               }));
  EXPECT_EQ(address_at(stub + 32), address_of(&key.word()));
}

}  // namespace
}  // namespace shunt::test
