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

namespace {

// 128 bytes: the red zone of the System V ABI. LEA changes no flag. (In inline assembly "$$" is "$".)
constexpr const char* x86_64_stub_begin =
    "2: leaq -128(%rsp), %rsp\npushq %r11\nleaq 3b(%rip), %r11\npushq %r11\nmovabsq $$";
constexpr const char* x86_64_stub_end =
    ", %r11\ncallq *%r11\nleaq 8(%rsp), %rsp\npopq %r11\nleaq 128(%rsp), %rsp\njmp 3b\n";

constexpr const char* arm64_stub_begin =
    "2: stp x16, x17, [sp, #-32]!\nstr x30, [sp, #16]\nldr x16, 4f\nldr x17, 5f\nblr x17\nldr x30, [sp, #16]\n"
    "ldp x16, x17, [sp], #32\nb 3b\n.p2align 3\n4: .quad 3b\n5: .quad ";

}  // namespace

std::string detour_stub(const llvm::Triple& triple, std::uint64_t entry) {
  if (triple.isAArch64()) return arm64_stub_begin + std::to_string(entry) + "\n";
  return x86_64_stub_begin + std::to_string(entry) + x86_64_stub_end;
}

const char* site_clobbers(const llvm::Triple& triple) {
  return triple.isAArch64() ? "" : ",~{dirflag},~{fpsr},~{flags}";
}

}  // namespace shunt::orc
