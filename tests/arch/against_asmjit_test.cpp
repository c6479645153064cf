// Our encodings against asmjit's, an independent encoder of both instruction sets.
#include <asmjit/arm/a64assembler.h>
#include <asmjit/x86.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "arch/backend.h"

namespace shunt::arch {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes bytes_of(const SiteBytes& site) {
  return {site.bytes.begin(), site.bytes.begin() + site.length};
}
Bytes bytes_of(std::uint32_t word) {
  return {static_cast<std::uint8_t>(word), static_cast<std::uint8_t>(word >> 8), static_cast<std::uint8_t>(word >> 16),
          static_cast<std::uint8_t>(word >> 24)};
}

template <class Assembler>
Bytes assembled(asmjit::Arch arch, const std::function<void(Assembler&)>& emit) {
  asmjit::CodeHolder holder;
  EXPECT_EQ(holder.init(asmjit::Environment(arch)), asmjit::kErrorOk);
  Assembler assembler(&holder);
  emit(assembler);
  EXPECT_EQ(holder.unresolvedLinkCount(), 0U);
  const asmjit::CodeBuffer& buffer = holder.textSection()->buffer();
  return {buffer.begin(), buffer.end()};
}

TEST(AgainstAsmjit, FarJumps) {
  constexpr std::uint64_t target = 0x123456789ABCDEF0;
  EXPECT_EQ(bytes_of(x86_64::far_jump(target)), assembled<asmjit::x86::Assembler>(asmjit::Arch::kX64, [](auto& a) {
              const asmjit::Label address = a.newLabel();
              a.jmp(asmjit::x86::qword_ptr(address));
              a.bind(address);
              a.embedUInt64(target);
            }));
  EXPECT_EQ(bytes_of(arm64::far_jump(target)), assembled<asmjit::a64::Assembler>(asmjit::Arch::kAArch64, [](auto& a) {
              const asmjit::Label address = a.newLabel();
              a.ldr(asmjit::a64::x16, asmjit::a64::ptr(address));
              a.br(asmjit::a64::x16);
              a.bind(address);
              a.embedUInt64(target);
            }));
}

TEST(AgainstAsmjit, X86) {
  namespace x86 = asmjit::x86;
  constexpr auto arch = asmjit::Arch::kX64;
  EXPECT_EQ(bytes_of(x86_64::encode(SiteForm::Toggle, 0, {false, 5 + 0x12345678})),
            assembled<x86::Assembler>(arch, [](x86::Assembler& a) { a.test(x86::eax, 0x12345678); }));
  EXPECT_EQ(bytes_of(x86_64::encode(SiteForm::Toggle, 0, {true, 0})),
            assembled<x86::Assembler>(arch, [](x86::Assembler& a) {
              const asmjit::Label self = a.newLabel();
              a.bind(self);
              a.long_().jmp(self);
            }));
  for (SiteForm form : {SiteForm::AlignedWord, SiteForm::Redirect, SiteForm::Call}) {
    for (unsigned before = 0; before <= 2; ++before) {  // at these addresses no prefix is needed; the target is 0
      Bytes expected(before, 0x90);
      for (std::uint8_t byte : bytes_of(x86_64::encode(form, before, {true, 0}))) expected.push_back(byte);
      EXPECT_EQ(expected, assembled<x86::Assembler>(arch, [&](x86::Assembler& a) {
                  const asmjit::Label start = a.newLabel();
                  a.bind(start);
                  for (unsigned i = 0; i < before; ++i) a.nop();
                  form == SiteForm::Call ? a.call(start) : a.long_().jmp(start);
                }));
    }
  }
  EXPECT_EQ(bytes_of(x86_64::encode(SiteForm::Call, 7, {true, 8 + 5 + 0x12345678})),
            assembled<x86::Assembler>(arch, [](x86::Assembler& a) {
              a.db(x86_64::null_prefix);
              a.db(x86_64::opcode_call_rel32);
              a.dd(0x12345678);
            }));
  EXPECT_EQ(Bytes({x86_64::opcode_int3}), assembled<x86::Assembler>(arch, [](x86::Assembler& a) { a.int3(); }));
}

TEST(AgainstAsmjit, Arm64) {
  namespace a64 = asmjit::a64;
  constexpr auto arch = asmjit::Arch::kAArch64;
  EXPECT_EQ(bytes_of(arm64::nop_word), assembled<a64::Assembler>(arch, [](a64::Assembler& a) { a.nop(); }));
  EXPECT_EQ(bytes_of(arm64::encode_brk(0xABCD)),
            assembled<a64::Assembler>(arch, [](a64::Assembler& a) { a.brk(0xABCD); }));
  const auto backwards = [](bool link) {
    return assembled<a64::Assembler>(arch, [link](a64::Assembler& a) {
      const asmjit::Label start = a.newLabel();
      a.bind(start);
      a.nop();
      a.nop();
      link ? a.bl(start) : a.b(start);
    });
  };
  Bytes b = bytes_of(arm64::nop_word);
  b.insert(b.end(), {0x1F, 0x20, 0x03, 0xD5});
  Bytes bl = b;
  for (std::uint8_t byte : bytes_of(arm64::encode(SiteForm::Redirect, 8, {true, 0}))) b.push_back(byte);
  for (std::uint8_t byte : bytes_of(arm64::encode(SiteForm::Call, 8, {true, 0}))) bl.push_back(byte);
  EXPECT_EQ(b, backwards(false));
  EXPECT_EQ(bl, backwards(true));
}

TEST(AgainstAsmjit, X86Stubs) {
  namespace x86 = asmjit::x86;
  constexpr auto arch = asmjit::Arch::kX64;
  constexpr std::uint64_t at = 0x1000, far = 0x7F00'1234'5678'9ABC;
  const auto through_a_pointer = assembled<x86::Assembler>(arch, [](x86::Assembler& a) {
    a.jmp(x86::ptr(x86::rip, 0, 8));
    a.dq(far);
  });
  EXPECT_EQ(bytes_of(x86_64::veneer(at, far)), through_a_pointer);
  EXPECT_EQ(x86_64::veneer(at, at + 5 + 0x7FFF'FFFF).length, 5U) << "the end of a direct jump's range";
  EXPECT_EQ(x86_64::veneer(at, at + 5 + 0x8000'0000).length, 14U);
  EXPECT_EQ(bytes_of(x86_64::veneer(at, at + 0x100)),
            bytes_of(x86_64::encode(SiteForm::Redirect, at, {true, at + 0x100})));
  EXPECT_EQ(bytes_of(x86_64::return_instruction()),
            assembled<x86::Assembler>(arch, [](x86::Assembler& a) { a.ret(); }));
}

TEST(AgainstAsmjit, Arm64Stubs) {
  namespace a64 = asmjit::a64;
  constexpr auto arch = asmjit::Arch::kAArch64;
  static constexpr std::uint64_t at = 0x1000'0000, far = 0x7F00'1234'5678'9ABC;
  const auto through_a_pointer = assembled<a64::Assembler>(arch, [](a64::Assembler& a) {
    const asmjit::Label pointer = a.newLabel();
    a.ldr(a64::x16, a64::ptr(pointer));
    a.br(a64::x16);
    a.bind(pointer);
    a.embed(&far, sizeof far);
  });
  EXPECT_EQ(bytes_of(arm64::veneer(at, far)), through_a_pointer);
  EXPECT_EQ(arm64::veneer(at, at + arm64::branch_range - 4).length, 4U) << "the end of a direct branch's range";
  EXPECT_EQ(arm64::veneer(at, at + arm64::branch_range).length, 16U);
  EXPECT_EQ(bytes_of(arm64::veneer(at, at - arm64::branch_range)),
            bytes_of(*arm64::encode_b(at, at - arm64::branch_range)));
  EXPECT_EQ(bytes_of(arm64::return_instruction()),
            assembled<a64::Assembler>(arch, [](a64::Assembler& a) { a.ret(a64::x30); }));
}

}  // namespace
}  // namespace shunt::arch
