#include "runtime/wasm/module/module_state.h"

#include <algorithm>

namespace shunt::wasm {

ModuleState::~ModuleState() {
  if (tiers) tiers->stop();
}

const ExportRecord* ModuleState::find_export(std::string_view name) const {
  const auto found = exports.find(name);
  return found == exports.end() ? nullptr : found->second;
}

const TrapSite* find_trap_site(const BaselineCode& code, std::uint32_t offset) {
  const auto found =
      std::lower_bound(code.traps.begin(), code.traps.end(), offset,
                       [](const TrapSite& site, std::uint32_t wanted) { return site.code_offset < wanted; });
  return found != code.traps.end() && found->code_offset == offset ? &*found : nullptr;
}

std::optional<std::uint32_t> find_function(const BaselineCode& code, std::uint32_t offset) {
  const auto after =
      std::upper_bound(code.functions.begin(), code.functions.end(), offset,
                       [](std::uint32_t wanted, const FunctionRange& range) { return wanted < range.begin; });
  if (after == code.functions.begin()) return std::nullopt;
  const FunctionRange& range = *std::prev(after);
  if (offset >= range.end) return std::nullopt;
  return range.function;
}

runtime::ExternType extern_type(const ModuleData& module, ExternKind kind, std::uint32_t index) {
  switch (kind) {
    case ExternKind::Function:
      return module.type_of_function(index);
    case ExternKind::Table:
      return module.tables[index].type;
    case ExternKind::Memory:
      return module.memories[index].type;
    case ExternKind::Global:
      break;
  }
  return module.globals[index].type;
}

}  // namespace shunt::wasm
