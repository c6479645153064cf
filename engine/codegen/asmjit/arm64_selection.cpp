// arm64: the instructions of stubs. There is no red zone. The stack pointer is a multiple of 16 wherever it is used
// (SCTLR_EL1.SA0), so nothing is realigned.
//
// Addresses are literals behind the code: MOV takes no wide immediate, and ADR reaches no farther than 1 MiB, while a
// stub may be as far from its site as B reaches.
#include <asmjit/arm/a64assembler.h>

#include "engine/codegen/asmjit/selection.h"

namespace shunt::detail {
namespace {

namespace a64 = asmjit::a64;

// Every instruction is aligned, and one aligned word: NOP <-> B, B <-> B, NOP <-> BL (arch/arm64/transition.h).
SiteForm form(SiteForm) noexcept {
  return SiteForm::AlignedWord;
}

asmjit::Error begin_literals(a64::Assembler& a) {
  return a.align(asmjit::AlignMode::kZero, 8);
}

asmjit::Error emit_detour(asmjit::BaseAssembler& assembler, const asmjit::Label& resume, std::uint64_t entry) {
  auto& a = *assembler.as<a64::Assembler>();
  const asmjit::Label resume_literal = a.newLabel();
  const asmjit::Label entry_literal = a.newLabel();
  return first_error({
      a.stp(a64::x16, a64::x17, a64::ptr_pre(a64::sp, -32)),
      a.str(a64::x30, a64::ptr(a64::sp, 16)),
      a.ldr(a64::x16, a64::ptr(resume_literal)),
      a.ldr(a64::x17, a64::ptr(entry_literal)),
      a.blr(a64::x17),
      a.ldr(a64::x30, a64::ptr(a64::sp, 16)),
      a.ldp(a64::x16, a64::x17, a64::ptr_post(a64::sp, 32)),
      a.b(resume),
      begin_literals(a),
      a.bind(resume_literal),
      a.embedLabel(resume, 8),
      a.bind(entry_literal),
      a.embedUInt64(entry),
  });
}

asmjit::Error leave_choice(a64::Assembler& a, const asmjit::Label& to) {
  return first_error({a.ldr(a64::x16, a64::ptr_post(a64::sp, 16)), a.b(to)});
}

// CBZ needs no flags. LDAR: what the flipping thread wrote before is visible in the path it leads to.
asmjit::Error emit_choice(asmjit::BaseAssembler& assembler, std::uint64_t word, const asmjit::Label& on,
                          const asmjit::Label& off) {
  auto& a = *assembler.as<a64::Assembler>();
  const asmjit::Label is_off = a.newLabel();
  const asmjit::Label word_literal = a.newLabel();
  return first_error({
      a.str(a64::x16, a64::ptr_pre(a64::sp, -16)),
      a.ldr(a64::x16, a64::ptr(word_literal)),
      a.ldar(a64::w16, a64::ptr(a64::x16)),
      a.cbz(a64::w16, is_off),
      leave_choice(a, on),
      a.bind(is_off),
      leave_choice(a, off),
      begin_literals(a),
      a.bind(word_literal),
      a.embedUInt64(word),
  });
}

}  // namespace

const Selection arm64_selection = {InstructionSet::Arm64, SiteForm::AlignedWord, &form, &emit_detour, &emit_choice};

}  // namespace shunt::detail
