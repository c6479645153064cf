#include "engine/codegen/orc/site_instructions.h"

namespace shunt::orc {
namespace {

SiteForm form(SiteForm wanted) {
  return wanted;
}

std::string site(SiteForm form, const std::string& target) {
  std::string nop = "1: .byte 0x0f, 0x1f, 0x44, 0x00, 0x00\n";
  // test eax, imm32: the displacement of the jump that it becomes, in place.
  if (form == SiteForm::Toggle) return "1: .byte 0xa9\n.long " + target + " - . - 4\n";
  // Padded only where the five bytes would leave their aligned 8-byte word: from its bytes 4 to 7.
  if (form == SiteForm::AlignedWord) return ".p2align 3,,4\n" + nop;
  if (form == SiteForm::Unaligned) return nop;
  return {};
}

std::string jump(const std::string& target) {
  return "jmp " + target + "\n";
}

// Over the red zone first; LEA changes no flag. An entry may push 8 bytes on this stack (to keep the flags): if they
// are not there, it is the stub that faults. `$$` is what inline assembly writes for `$`.
std::string stub(const std::string& entry) {
  return "2: leaq -128(%rsp), %rsp\n"
         "movq %r11, -32(%rsp)\n"
         "pushq %r11\n"
         "leaq 3b(%rip), %r11\n"
         "pushq %r11\n"
         "movabsq $$" +
         entry +
         ", %r11\n"
         "callq *%r11\n"
         "leaq 8(%rsp), %rsp\n"
         "popq %r11\n"
         "leaq 128(%rsp), %rsp\n"
         "jmp 3b\n";
}

}  // namespace

const SiteInstructions x86_64_instructions = {&form, &site, &jump, &stub, "~{dirflag},~{fpsr},~{flags}"};

}  // namespace shunt::orc
