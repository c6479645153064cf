#include "runtime/wasm/module/flag_imports.h"

#include <optional>

#include "runtime/wasm/module/module_state.h"
#include "shunt/runtime/flags.h"

namespace shunt::wasm {
namespace {

std::optional<flags::FlagType> flag_type(const FunctionType& type) {
  static const FunctionType string_read{{ValueType::I32, ValueType::I32}, {ValueType::I32}};
  if (type == string_read) return flags::FlagType::String;
  if (!type.params.empty() || type.results.size() != 1) return std::nullopt;
  switch (type.results.front()) {
    case ValueType::I32:
      return flags::FlagType::I32;
    case ValueType::I64:
      return flags::FlagType::I64;
    case ValueType::F64:
      return flags::FlagType::F64;
    default:
      return std::nullopt;
  }
}

Error bad_import(const ModuleData& module, const std::string& name, const std::string& what) {
  return make_error(ErrorCode::BadModule, module.source_name + ": import \"flags\" \"" + name + "\": " + what);
}

Result<FlagImport> resolve(const ModuleData& module, const FunctionInfo& import, flags::FlagSet& flags) {
  const FunctionType& type = module.types[import.type];
  const std::optional<flags::FlagType> read_as = flag_type(type);
  if (!read_as) {
    return bad_import(module, import.name,
                      "a flag cannot be read as " + runtime::to_string(type) +
                          "; declare it as () -> i32, () -> i64, () -> f64, or (i32, i32) -> i32 for a string");
  }
  const flags::ImportName name = flags::split_import_name(import.name);
  if (name.variant && *read_as != flags::FlagType::I32) {
    return bad_import(module, import.name,
                      "whether a variant is in force is read as () -> i32, not " + runtime::to_string(type));
  }
  Result<flags::Flag*> flag = flags.want(import.name, *read_as, module.source_name);
  if (!flag) return std::move(flag).error();
  return FlagImport{*flag, *read_as, std::string(name.variant.value_or(""))};
}

}  // namespace

Result<std::vector<FlagImport>> resolve_flag_imports(const ModuleData& module, flags::FlagSet& flags) {
  const auto from_flags = [](const std::optional<ImportedExtern>& import) {
    return import && import->module == flags_module;
  };
  for (const TableInfo& table : module.tables) {
    if (from_flags(table.import))
      return bad_import(module, table.import->name, "a table; flags are imported as functions");
  }
  for (const MemoryInfo& memory : module.memories) {
    if (from_flags(memory.import))
      return bad_import(module, memory.import->name, "a memory; flags are imported as functions");
  }
  for (const GlobalInfo& global : module.globals) {
    if (from_flags(global.import))
      return bad_import(module, global.import->name, "a global; flags are imported as functions");
  }
  std::vector<FlagImport> imports(module.imported_functions);
  for (std::uint32_t i = 0; i < module.imported_functions; ++i) {
    if (module.functions[i].module != flags_module) continue;
    Result<FlagImport> resolved = resolve(module, module.functions[i], flags);
    if (!resolved) return std::move(resolved).error();
    imports[i] = std::move(*resolved);
  }
  return imports;
}

}  // namespace shunt::wasm
