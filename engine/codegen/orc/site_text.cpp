#include "engine/codegen/orc/site_text.h"

#include <array>

#include "engine/codegen/orc/site_record.h"

namespace shunt::orc {
namespace {

std::string refusal(const char* why) {
  return std::string(".error \"shunt: ") + why + "\"\n";
}

}  // namespace

std::string unknown_target() {
  return refusal("patch sites are for x86-64 and arm64 in ELF objects, and the module's target triple is another");
}

std::string unknown_form() {
  return refusal("a site in IR is a Toggle, an AlignedWord or an Unaligned");
}

std::string number(const void* address) {
  return std::to_string(reinterpret_cast<std::uintptr_t>(address));
}

std::string record(const KeyBase& key, SiteForm form, std::span<const std::string> targets) {
  const std::uint64_t form_and_count = static_cast<std::uint64_t>(form) | targets.size() << 8;
  std::string text = ".pushsection " + std::string(site_section) + ",\"a\",@progbits\n.p2align 3\n.quad 1b\n.quad " +
                     number(&key) + "\n.quad " + std::to_string(form_and_count) + "\n";
  for (const std::string& target : targets) text += ".quad " + target + "\n";
  return text + ".popsection\n";
}

std::string detour(const SiteInstructions* instructions, const KeyBase& key, SiteForm form, const std::string& entry) {
  if (instructions == nullptr) return unknown_target();
  form = instructions->form(form);
  const std::string site = instructions->site(form, "2f");
  if (site.empty()) return unknown_form();
  return site + "3:\n.subsection 1\n" + instructions->stub(entry) + ".previous\n" +
         record(key, form, std::array{std::string("2b")});
}

}  // namespace shunt::orc
