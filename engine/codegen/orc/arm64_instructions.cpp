#include "engine/codegen/orc/site_instructions.h"

namespace shunt::orc {
namespace {

// Every instruction is aligned, and one aligned word: NOP <-> B, B <-> B.
SiteForm form(SiteForm wanted) {
  const bool branches = wanted == SiteForm::Toggle || wanted == SiteForm::Unaligned;
  return branches ? SiteForm::AlignedWord : wanted;
}

std::string site(SiteForm form, const std::string&) {
  return form == SiteForm::AlignedWord ? "1: nop\n" : "";
}

std::string jump(const std::string& target) {
  return "b " + target + "\n";
}

// Addresses are literals: ADR reaches no farther than 1 MiB.
std::string stub(const std::string& entry) {
  return ".p2align 2\n"
         "2: stp x16, x17, [sp, #-32]!\n"
         "str x30, [sp, #16]\n"
         "ldr x16, 4f\n"
         "ldr x17, 5f\n"
         "blr x17\n"
         "ldr x30, [sp, #16]\n"
         "ldp x16, x17, [sp], #32\n"
         "b 3b\n"
         ".p2align 3\n"
         "4: .xword 3b\n"
         "5: .xword " +
         entry + "\n";
}

}  // namespace

const SiteInstructions arm64_instructions = {&form, &site, &jump, &stub, ""};

}  // namespace shunt::orc
