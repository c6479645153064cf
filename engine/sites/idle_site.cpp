#include "arch/arm64/encode.h"
#include "arch/x86_64/encode.h"
#include "shunt/engine.h"

namespace shunt {

SiteBytes idle_site(InstructionSet instruction_set, SiteForm form, std::uint32_t offset) noexcept {
  const auto arch_form = static_cast<arch::SiteForm>(form);  // engine/patch/protocol.h asserts that they agree
  const arch::Direction idle{form == SiteForm::Redirect, offset};
  const arch::SiteBytes site = instruction_set == InstructionSet::Arm64 ? arch::arm64::encode(arch_form, offset, idle)
                                                                        : arch::x86_64::encode(arch_form, offset, idle);
  return {site.bytes, site.length};
}

}  // namespace shunt
