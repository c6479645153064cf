// Detours: sites whose stub calls into the engine and comes back. What a stub does, instruction by instruction:
// engine/quiesce/safepoint_entry.h, docs/quiescence.md.
#include <asmjit/arm/a64assembler.h>
#include <asmjit/x86.h>

#include <cstdint>

#include "shunt/codegen/asmjit.h"

namespace shunt {
namespace {

namespace x86 = asmjit::x86;
namespace a64 = asmjit::a64;

constexpr std::uint32_t stub_alignment = 8;
constexpr int red_zone = 128;

void emit_x86_64(x86::Assembler& a, const asmjit::Label& resume, std::uint64_t entry) {
  a.lea(x86::rsp, x86::ptr(x86::rsp, -red_zone));
  a.push(x86::r11);
  a.lea(x86::r11, x86::ptr(resume));
  a.push(x86::r11);
  a.mov(x86::r11, entry);
  a.call(x86::r11);
  a.lea(x86::rsp, x86::ptr(x86::rsp, 8));
  a.pop(x86::r11);
  a.lea(x86::rsp, x86::ptr(x86::rsp, red_zone));
  a.jmp(resume);
}

void emit_arm64(a64::Assembler& a, const asmjit::Label& resume, std::uint64_t entry) {
  a.stp(a64::x16, a64::x17, a64::ptr_pre(a64::sp, -32));
  a.str(a64::x30, a64::ptr(a64::sp, 16));
  a.adr(a64::x16, resume);
  a.mov(a64::x17, entry & 0xFFFF);
  a.movk(a64::x17, entry >> 16 & 0xFFFF, 16);
  a.movk(a64::x17, entry >> 32 & 0xFFFF, 32);
  a.movk(a64::x17, entry >> 48, 48);
  a.blr(a64::x17);
  a.ldr(a64::x30, a64::ptr(a64::sp, 16));
  a.ldp(a64::x16, a64::x17, a64::ptr_post(a64::sp, 32));
  a.b(resume);
}

}  // namespace

std::size_t SiteEmitter::safepoint(Engine& engine, Flags flags) {
  const asmjit::Label stub = assembler_.newLabel();
  const asmjit::Label resume = assembler_.newLabel();
  const std::size_t site = branch(engine.safepoint_key(), stub, flags);
  asmjit::Error error = assembler_.bind(resume);
  const auto entry = reinterpret_cast<std::uint64_t>(Engine::safepoint_entry());
  const auto body = [&](asmjit::BaseAssembler& a) {
    if (a.arch() == asmjit::Arch::kAArch64) {
      emit_arm64(*a.as<a64::Assembler>(), resume, entry);
    } else {
      emit_x86_64(*a.as<x86::Assembler>(), resume, entry);
    }
  };
  if (error == asmjit::kErrorOk) error = emit_stub(stub, body);
  if (error_ == asmjit::kErrorOk) error_ = error;
  return site;
}

// `body` emits into the section of stubs; afterwards the cursor is where it was.
asmjit::Error SiteEmitter::emit_stub(const asmjit::Label& stub,
                                     const std::function<void(asmjit::BaseAssembler&)>& body) {
  if (stubs_ == nullptr) {
    asmjit::CodeHolder* const holder = assembler_.code();
    stubs_ = holder->sectionByName(".shunt.stubs");
    if (stubs_ == nullptr) {
      const asmjit::Error error =
          holder->newSection(&stubs_, ".shunt.stubs", SIZE_MAX, asmjit::SectionFlags::kExecutable, stub_alignment);
      if (error != asmjit::kErrorOk) return error;
    }
  }
  asmjit::Section* const section = assembler_.currentSection();
  const std::size_t offset = assembler_.offset();
  asmjit::Error error = assembler_.section(stubs_);
  if (error != asmjit::kErrorOk) return error;
  error = assembler_.bind(stub);
  body(assembler_);
  if (error == asmjit::kErrorOk) error = assembler_.section(section);
  if (error == asmjit::kErrorOk) error = assembler_.setOffset(offset);
  return error;
}

}  // namespace shunt
