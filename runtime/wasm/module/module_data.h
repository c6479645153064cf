// A decoded and validated module, without its function bodies: those go to a FunctionSink one by one while they are
// read.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "shunt/error.h"
#include "shunt/runtime/module.h"
#include "shunt/runtime/value.h"

namespace shunt::wasm {

using runtime::FunctionType;
using runtime::GlobalType;
using runtime::MemoryType;
using runtime::TableType;
using runtime::ValueType;

// A constant initialiser: one of WebAssembly 2.0's constant expressions.
struct ConstExpr {
  enum class Kind : std::uint8_t { Const, GlobalGet, RefFunc, RefNull } kind = Kind::Const;
  ValueType type = ValueType::I32;
  std::uint64_t bits = 0;  // Const: value bits; GlobalGet, RefFunc: the index
};

struct FunctionInfo {
  std::uint32_t type = 0;  // index into ModuleData::types
  // Imports only: names.
  std::string module, name;
};
struct ImportedExtern {
  std::string module, name;
};
struct TableInfo {
  TableType type;
  std::optional<ImportedExtern> import;
  bool is_written = false;  // by an instruction of the module; known once all functions have been read
};
struct MemoryInfo {
  MemoryType type;
  std::optional<ImportedExtern> import;
};
struct GlobalInfo {
  GlobalType type;
  std::optional<ImportedExtern> import;
  ConstExpr init;
  bool is_written = false;  // like TableInfo::is_written
};

enum class ExternKind : std::uint8_t { Function, Table, Memory, Global };
struct ImportRecord {  // in module order
  ExternKind kind;
  std::uint32_t index;  // in the kind's index space
};
struct ExportRecord {
  std::string name;
  ExternKind kind;
  std::uint32_t index;
};

enum class SegmentMode : std::uint8_t { Active, Passive, Declared };
struct ElementSegment {
  SegmentMode mode = SegmentMode::Active;
  std::uint32_t table = 0;
  ConstExpr offset;
  ValueType type = ValueType::FuncRef;
  std::vector<ConstExpr> items;
};
struct DataSegment {
  SegmentMode mode = SegmentMode::Active;
  ConstExpr offset;
  std::vector<std::uint8_t> bytes;
};

struct ModuleData {
  std::string source_name;  // ModuleOptions::name
  runtime::ModuleLimits limits;
  std::vector<FunctionType> types;
  std::vector<FunctionInfo> functions;  // index space: imports first
  std::uint32_t imported_functions = 0;
  std::vector<TableInfo> tables;     // imports first
  std::vector<MemoryInfo> memories;  // 0 or 1
  std::vector<GlobalInfo> globals;   // imports first
  std::uint32_t imported_globals = 0;
  std::vector<ImportRecord> imports;
  std::vector<ExportRecord> exports;
  std::vector<ElementSegment> elements;
  std::vector<DataSegment> data;
  std::optional<std::uint32_t> start;
  std::vector<std::string>
      function_names;  // from the name section or exports; may be shorter than functions, or hold ""
  std::size_t module_bytes = 0, code_section_bytes = 0;

  [[nodiscard]] const FunctionType& type_of_function(std::uint32_t function) const {
    return types[functions[function].type];
  }
  // "name" or "function 12": for messages.
  [[nodiscard]] std::string display_name(std::uint32_t function) const;
};

// The two names of an import.
ImportedExtern import_name(const ModuleData& module, const ImportRecord& record);

}  // namespace shunt::wasm
