#include "runtime/wasm/module/code_names.h"

#include <algorithm>
#include <string>
#include <vector>

namespace shunt::wasm {

Status name_code(Engine& engine, const ModuleState& module) {
  if (!engine.names_wanted()) return Ok{};
  const BaselineCode& code = *module.code;
  std::vector<std::string> names;
  std::vector<CodeSymbol> symbols;
  names.reserve(2 * code.functions.size() + 1);  // symbols point into it
  symbols.reserve(2 * code.functions.size() + 1);
  const auto add = [&](std::uint32_t begin, std::uint32_t end, std::string name) {
    if (begin < end) symbols.push_back({begin, end - begin, names.emplace_back(std::move(name))});
  };
  constexpr std::uint32_t alignment = 16;  // of functions; less than that between two of them is padding
  std::uint32_t end = 0;                   // of what has a name
  for (const FunctionRange& function : code.functions) {
    if (function.begin >= end + alignment) add(end, function.begin, "shunt: thunks");
    add(function.begin, function.end, module.data->display_name(function.function));
    end = std::max(end, function.end);
  }
  add(end, static_cast<std::uint32_t>(code.code.size()), "shunt: thunks");
  return engine.name(code.code, symbols);
}

}  // namespace shunt::wasm
