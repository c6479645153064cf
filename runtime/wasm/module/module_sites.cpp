// A module's patch sites for inspection: what the engine knows of each, and what the compiler made it for.
#include <string>
#include <unordered_map>

#include "runtime/wasm/module/module_state.h"
#include "shunt/runtime/module.h"

namespace shunt::runtime {
namespace {

using FlagKeys = std::unordered_map<const KeyBase*, std::string>;  // by key: the import's name

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

// Appends the baseline's; and notes the flags' keys.
void add_baseline(const wasm::ModuleState& state, const Engine& engine, FlagKeys& flag_keys,
                  std::vector<ModuleSite>& out) {
  const wasm::BaselineCode& code = *state.code;
  std::unordered_map<std::uint32_t, const wasm::FlagSite*> flag_sites;  // by code offset
  for (const wasm::FlagSite& flag : code.flag_sites) flag_sites.emplace(flag.code_offset, &flag);
  std::unordered_map<std::uint32_t, std::uint32_t> interrupt_sites;  // module offset by code offset
  for (const wasm::InterruptSite& site : code.interrupt_sites)
    interrupt_sites.emplace(site.code_offset, site.module_offset);
  std::unordered_map<std::uint32_t, std::uint32_t> trace_sites;  // likewise
  for (const wasm::TraceSite& site : code.trace_sites) trace_sites.emplace(site.code_offset, site.module_offset);
  for (SiteInfo& site : engine.sites(code.code)) {
    ModuleSite& described = out.emplace_back();
    described.code_offset = static_cast<std::uint32_t>(site.address - code.code.data());
    described.site = std::move(site);
    described.function = wasm::find_function(code, described.code_offset);
    if (const auto found = flag_sites.find(described.code_offset); found != flag_sites.end()) {
      const wasm::FlagSite& flag = *found->second;
      described.function = flag.function;
      described.module_offset = flag.module_offset;
      described.flag = state.data->functions[flag.import].name;
      described.shape = shape_of(flag.shape);
      flag_keys.emplace(described.site.key, described.flag);
    } else if (const auto interrupt = interrupt_sites.find(described.code_offset); interrupt != interrupt_sites.end()) {
      described.module_offset = interrupt->second;
      described.interrupts = true;
    } else if (const auto trace = trace_sites.find(described.code_offset); trace != trace_sites.end()) {
      described.module_offset = trace->second;
      described.traces = true;
    }
  }
}

// Both tiers read a flag by the same key.
void add_optimised(const wasm::ModuleState& state, const FlagKeys& flag_keys, std::vector<ModuleSite>& out) {
  for (wasm::Tiers::Site& site : state.tiers->sites()) {
    ModuleSite& described = out.emplace_back();
    described.tier = Tier::Optimising;
    described.site = std::move(site.site);
    described.code_offset = site.code_offset;
    if (site.place) {
      described.function = site.place->function;
      described.module_offset = site.place->module_offset;
    }
    described.interrupts = described.site.key == &state.control->interrupt;
    if (const auto flag = flag_keys.find(described.site.key); flag != flag_keys.end()) {
      described.flag = flag->second;
      described.shape = ModuleSite::Shape::Branch;
    }
  }
}

}  // namespace

std::vector<ModuleSite> Module::sites(const Engine& engine) const {
  FlagKeys flag_keys;
  std::vector<ModuleSite> out;
  add_baseline(*state_, engine, flag_keys, out);
  if (state_->tiers) add_optimised(*state_, flag_keys, out);
  for (ModuleSite& described : out) {
    if (described.function) described.function_name = state_->data->display_name(*described.function);
  }
  return out;
}

}  // namespace shunt::runtime
