#include "arch/arm64/encode.h"
#include "arch/x86_64/encode.h"
#include "engine/sites/site_form.h"
#include "shunt/engine.h"

namespace shunt {

SiteBytes idle_site(InstructionSet instruction_set, SiteForm form, std::uint32_t offset) noexcept {
  const arch::SiteForm arch_form = detail::arch_form(form);
  const arch::Direction idle{detail::is_redirect(form), offset};
  const arch::SiteBytes site = instruction_set == InstructionSet::Arm64 ? arch::arm64::encode(arch_form, offset, idle)
                                                                        : arch::x86_64::encode(arch_form, offset, idle);
  return {site.bytes, site.length};
}

}  // namespace shunt
