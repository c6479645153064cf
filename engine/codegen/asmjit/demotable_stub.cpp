// The stubs of demotable sites (shunt/demotable_key.h): load the key's state, and go where its site would.
#include <asmjit/arm/a64assembler.h>
#include <asmjit/x86.h>

#include <array>
#include <cstdint>
#include <vector>

#include "shunt/codegen/asmjit.h"

namespace shunt {
namespace {

namespace x86 = asmjit::x86;
namespace a64 = asmjit::a64;

// One register is needed, and none is known to be free, nor are the flags: LEA, PUSH, MOV and JECXZ change none. The
// 128 bytes below the stack pointer may be in use (the red zone of the System V ABI).
void emit_x86_64(x86::Assembler& a, std::uint64_t word, const asmjit::Label& target, const asmjit::Label& behind) {
  constexpr int red_zone = 128;
  const asmjit::Label off = a.newLabel();
  const auto leave_to = [&](const asmjit::Label& where) {
    a.pop(x86::rcx);
    a.lea(x86::rsp, x86::ptr(x86::rsp, red_zone));
    a.jmp(where);
  };
  a.lea(x86::rsp, x86::ptr(x86::rsp, -red_zone));
  a.push(x86::rcx);
  a.mov(x86::rcx, word);
  a.mov(x86::ecx, x86::dword_ptr(x86::rcx));  // every load of x86-64 is an acquire
  a.jecxz(x86::ecx, off);
  leave_to(target);
  a.bind(off);
  leave_to(behind);
}

// CBZ needs no flags; there is no red zone. LDAR: what the flipping thread wrote before is visible in the path it leads
// to.
void emit_arm64(a64::Assembler& a, std::uint64_t word, const asmjit::Label& target, const asmjit::Label& behind) {
  const asmjit::Label off = a.newLabel();
  const auto leave_to = [&](const asmjit::Label& where) {
    a.ldr(a64::x16, a64::ptr_post(a64::sp, 16));
    a.b(where);
  };
  a.str(a64::x16, a64::ptr_pre(a64::sp, -16));
  a.mov(a64::x16, word & 0xFFFF);
  a.movk(a64::x16, word >> 16 & 0xFFFF, 16);
  a.movk(a64::x16, word >> 32 & 0xFFFF, 32);
  a.movk(a64::x16, word >> 48, 48);
  a.ldar(a64::w16, a64::ptr(a64::x16));
  a.cbz(a64::w16, off);
  leave_to(target);
  a.bind(off);
  leave_to(behind);
}

}  // namespace

std::size_t SiteEmitter::branch(DemotableKey& key, const asmjit::Label& target, const asmjit::Label& stub) {
  const std::array targets = {target, stub, stub};  // of on; of off and on while demoted
  return emit(key, SiteForm::AlignedWord, targets);
}

std::size_t SiteEmitter::branch(DemotableSwitch& key, std::span<const asmjit::Label> targets,
                                const asmjit::Label& stub) {
  std::vector<asmjit::Label> all(targets.begin(), targets.end());
  all.resize(targets.size() + key.values(), stub);
  return emit(key, SiteForm::AlignedWord, all);
}

std::size_t SiteEmitter::branch(DemotableKey& key, const asmjit::Label& target) {
  const asmjit::Label stub = assembler_.newLabel();
  const asmjit::Label behind = assembler_.newLabel();
  const std::size_t site = branch(key, target, stub);
  const auto word = reinterpret_cast<std::uint64_t>(&key.word());
  const auto body = [&](asmjit::BaseAssembler& a) {
    if (a.arch() == asmjit::Arch::kAArch64) {
      emit_arm64(*a.as<a64::Assembler>(), word, target, behind);
    } else {
      emit_x86_64(*a.as<x86::Assembler>(), word, target, behind);
    }
  };
  asmjit::Error error = assembler_.bind(behind);
  if (error == asmjit::kErrorOk) error = emit_stub(stub, body);
  if (error_ == asmjit::kErrorOk) error_ = error;
  return site;
}

}  // namespace shunt
