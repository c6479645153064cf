#include "runtime/wasm/module/code_names.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <string>
#include <utility>
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

Status name_code(Engine& engine, const ModuleData& module, const OptimisedCode& code) {
  if (!engine.names_wanted()) return Ok{};
  const std::uint8_t* const begin = code.code().data();
  std::map<std::uint32_t, std::string> names;  // by where it begins: it ends where the next one does
  const auto add = [&](std::uintptr_t address, std::string name) {
    names.emplace(static_cast<std::uint32_t>(address - reinterpret_cast<std::uintptr_t>(begin)), std::move(name));
  };
  for (const OptimisedFunction& function : code.functions()) {
    const std::string name = module.display_name(function.function);
    add(reinterpret_cast<std::uintptr_t>(function.body), name + " (optimised)");
    add(reinterpret_cast<std::uintptr_t>(function.slots_entry), name + " (entry)");
  }
  for (const OptimisedLoop& loop : code.loops()) {
    add(reinterpret_cast<std::uintptr_t>(loop.entry), module.display_name(loop.loop.function) + " (entry at a loop)");
  }
  std::vector<CodeSymbol> symbols;
  for (auto name = names.begin(); name != names.end(); ++name) {
    const auto next = std::next(name);
    const auto end = next != names.end() ? next->first : static_cast<std::uint32_t>(code.code().size());
    symbols.push_back({name->first, end - name->first, name->second});
  }
  return engine.name(code.code(), symbols);
}

}  // namespace shunt::wasm
