// A module's patch sites for inspection: what the engine knows of each, and what the compiler made it for.
#include <unordered_map>

#include "runtime/wasm/module/module_state.h"
#include "shunt/runtime/module.h"

namespace shunt::runtime {
namespace {

ModuleSite::Shape shape_of(wasm::FlagSite::Shape shape) {
  switch (shape) {
    case wasm::FlagSite::Shape::Branch:
      return ModuleSite::Shape::Branch;
    case wasm::FlagSite::Shape::Select:
      return ModuleSite::Shape::Select;
    case wasm::FlagSite::Shape::Value:
      return ModuleSite::Shape::Value;
  }
  return ModuleSite::Shape::Other;
}

}  // namespace

std::vector<ModuleSite> Module::sites(const Engine& engine) const {
  const wasm::BaselineCode& code = *state_->code;
  const wasm::ModuleData& data = *state_->data;
  std::unordered_map<std::uint32_t, const wasm::FlagSite*> flag_sites;  // by code offset
  for (const wasm::FlagSite& flag : code.flag_sites) flag_sites.emplace(flag.code_offset, &flag);
  std::unordered_map<std::uint32_t, std::uint32_t> interrupt_sites;  // module offset by code offset
  for (const wasm::InterruptSite& site : code.interrupt_sites)
    interrupt_sites.emplace(site.code_offset, site.module_offset);
  std::vector<ModuleSite> out;
  for (SiteInfo& site : engine.sites(code.code)) {
    ModuleSite& described = out.emplace_back();
    described.code_offset = static_cast<std::uint32_t>(site.address - code.code.data());
    described.site = std::move(site);
    described.function = wasm::find_function(code, described.code_offset);
    if (const auto found = flag_sites.find(described.code_offset); found != flag_sites.end()) {
      const wasm::FlagSite& flag = *found->second;
      described.function = flag.function;
      described.module_offset = flag.module_offset;
      described.flag = data.functions[flag.import].name;
      described.shape = shape_of(flag.shape);
    } else if (const auto interrupt = interrupt_sites.find(described.code_offset); interrupt != interrupt_sites.end()) {
      described.module_offset = interrupt->second;
      described.interrupts = true;
    }
    if (described.function) described.function_name = data.display_name(*described.function);
  }
  return out;
}

}  // namespace shunt::runtime
