#include "runtime/wasm/module/module_data.h"

namespace shunt::wasm {

std::string ModuleData::display_name(std::uint32_t function) const {
  if (function < function_names.size() && !function_names[function].empty()) return function_names[function];
  return "function " + std::to_string(function);
}

}  // namespace shunt::wasm
