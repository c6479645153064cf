#include "runtime/wasm/module/module_data.h"

namespace shunt::wasm {

std::string ModuleData::display_name(std::uint32_t function) const {
  if (function < function_names.size() && !function_names[function].empty()) return function_names[function];
  return "function " + std::to_string(function);
}

ImportedExtern import_name(const ModuleData& module, const ImportRecord& record) {
  switch (record.kind) {
    case ExternKind::Function:
      return {module.functions[record.index].module, module.functions[record.index].name};
    case ExternKind::Table:
      return *module.tables[record.index].import;
    case ExternKind::Memory:
      return *module.memories[record.index].import;
    case ExternKind::Global:
      break;
  }
  return *module.globals[record.index].import;
}

}  // namespace shunt::wasm
