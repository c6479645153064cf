#include "engine/codegen/orc/site_instructions.h"

namespace shunt::orc {

SiteForm form_on(const llvm::Triple& triple, SiteForm form) {
  return triple.isAArch64() ? SiteForm::AlignedWord : form;
}

std::string site_instruction(const llvm::Triple& triple, SiteForm form, const std::string& target) {
  if (triple.isAArch64()) return "1: nop\n";
  if (triple.getArch() != llvm::Triple::x86_64) return {};
  // test eax, imm32: the displacement of the jump that it becomes, in place.
  if (form == SiteForm::Toggle) return "1: .byte 0xa9\n.long " + target + " - . - 4\n";
  // Padded only where the five bytes would leave their aligned 8-byte word: from its bytes 4 to 7.
  if (form == SiteForm::AlignedWord) return ".p2align 3,,4\n1: .byte 0x0f, 0x1f, 0x44, 0x00, 0x00\n";
  return {};
}

const char* site_clobbers(const llvm::Triple& triple) {
  return triple.isAArch64() ? "" : ",~{dirflag},~{fpsr},~{flags}";
}

}  // namespace shunt::orc
