#include "arch/arm64/encode.h"
#include "arch/x86_64/encode.h"
#include "shunt/engine.h"

namespace shunt {

SiteBytes idle_site(InstructionSet instruction_set, SiteForm form, std::uint32_t offset) noexcept {
  const arch::SiteForm arch_form = form == SiteForm::Toggle ? arch::SiteForm::Toggle : arch::SiteForm::AlignedWord;
  const arch::SiteBytes site = instruction_set == InstructionSet::Arm64 ? arch::arm64::encode(arch_form, offset, {})
                                                                        : arch::x86_64::encode(arch_form, offset, {});
  return {site.bytes, site.length};
}

}  // namespace shunt
