// Where an instance has its own values of the flags that its module imports (shunt/runtime/flag_view.h): a 64-bit word
// for each imported function, behind the VmContext's own globals. Those of other imports are not used.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/wasm/instance/vm_context.h"
#include "runtime/wasm/module/module_data.h"

namespace shunt::wasm {

// From the VmContext, in bytes.
constexpr std::size_t flag_cell_offset(std::size_t own_globals, std::size_t import) {
  return own_globals_offset + own_globals * sizeof(GlobalCell) + import * sizeof(std::uint64_t);
}
inline std::uint32_t flag_cell_offset(const ModuleData& module, std::uint32_t import) {
  return static_cast<std::uint32_t>(
      flag_cell_offset(module.globals.size() - module.imported_globals, std::size_t{import}));
}

}  // namespace shunt::wasm
