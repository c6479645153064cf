// x86-64: the instructions of stubs. The 128 bytes below the stack pointer may be in use (the red zone of the System V
// ABI), so each stub steps over them first; LEA does that without changing a flag.
#include <asmjit/x86.h>

#include "engine/codegen/asmjit/selection.h"

namespace shunt::detail {
namespace {

namespace x86 = asmjit::x86;

constexpr int red_zone = 128;

SiteForm form(SiteForm wanted) noexcept {
  return wanted;
}

asmjit::Error emit_detour(asmjit::BaseAssembler& assembler, const asmjit::Label& resume, std::uint64_t entry) {
  auto& a = *assembler.as<x86::Assembler>();
  return first_error({
      a.lea(x86::rsp, x86::ptr(x86::rsp, -red_zone)),
      a.push(x86::r11),
      a.lea(x86::r11, x86::ptr(resume)),
      a.push(x86::r11),
      a.mov(x86::r11, entry),
      a.call(x86::r11),
      a.lea(x86::rsp, x86::ptr(x86::rsp, 8)),
      a.pop(x86::r11),
      a.lea(x86::rsp, x86::ptr(x86::rsp, red_zone)),
      a.jmp(resume),
  });
}

asmjit::Error leave_choice(x86::Assembler& a, const asmjit::Label& to) {
  return first_error({a.pop(x86::rcx), a.lea(x86::rsp, x86::ptr(x86::rsp, red_zone)), a.jmp(to)});
}

// One register is needed, and none is known to be free, nor are the flags: PUSH, MOV and JECXZ change none. Every load
// is an acquire.
asmjit::Error emit_choice(asmjit::BaseAssembler& assembler, std::uint64_t word, const asmjit::Label& on,
                          const asmjit::Label& off) {
  auto& a = *assembler.as<x86::Assembler>();
  const asmjit::Label is_off = a.newLabel();
  return first_error({
      a.lea(x86::rsp, x86::ptr(x86::rsp, -red_zone)),
      a.push(x86::rcx),
      a.mov(x86::rcx, word),
      a.mov(x86::ecx, x86::dword_ptr(x86::rcx)),
      a.jecxz(x86::ecx, is_off),
      leave_choice(a, on),
      a.bind(is_off),
      leave_choice(a, off),
  });
}

}  // namespace

const Selection x86_64_selection = {InstructionSet::X86_64, SiteForm::Toggle, &form, &emit_detour, &emit_choice};

}  // namespace shunt::detail
