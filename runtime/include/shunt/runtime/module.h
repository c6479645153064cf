// A WebAssembly module: validated and compiled. Immutable and thread-safe; instances on any thread share its code.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "shunt/engine.h"
#include "shunt/error.h"
#include "shunt/runtime/value.h"

namespace shunt::flags {
class FlagSet;
}
namespace shunt::wasm {
struct ModuleState;
}

namespace shunt::runtime {

struct Limits {
  std::uint64_t min = 0;
  std::uint64_t max = 0;
  bool has_max = false;
};
struct TableType {
  ValueType element = ValueType::FuncRef;
  Limits limits;
};
struct MemoryType {
  Limits limits;  // in pages of 64 KiB
};
struct GlobalType {
  ValueType type = ValueType::I32;
  bool is_mutable = false;
};
using ExternType = std::variant<FunctionType, TableType, MemoryType, GlobalType>;

// "function (i32) -> i64", "table of 10..20 funcref", "memory of 1.. pages", "mutable global i32".
[[nodiscard]] std::string to_string(const ExternType& type);

struct ImportType {
  std::string module, name;
  ExternType type;
};
struct ExportType {
  std::string name;
  ExternType type;
};

struct ModuleOptions {
  std::string name = "<module>";  // for messages: the file that it came from
};

// What compiling cost and made.
struct CompileStats {
  std::size_t module_bytes = 0, code_section_bytes = 0, machine_code_bytes = 0;
  std::size_t functions = 0, sites = 0;
  std::uint64_t decode_ns = 0;   // decode and validate (zero where it cannot be told apart from compile_ns)
  std::uint64_t compile_ns = 0;  // generate machine code
  std::uint64_t publish_ns = 0;
  [[nodiscard]] std::uint64_t total_ns() const { return decode_ns + compile_ns + publish_ns; }
};

class Module {
 public:
  // Decodes, validates and compiles. Flag imports (module name "flags") become patch sites of `flags`, which must
  // outlive the module. Errors: BadModule (message: file, byte offset, what), and the engine's. Thread-safe; blocks.
  static Result<Module> load(Engine& engine, flags::FlagSet& flags, std::span<const std::uint8_t> bytes,
                             const ModuleOptions& options = {});

  [[nodiscard]] std::vector<ImportType> imports() const;
  [[nodiscard]] std::vector<ExportType> exports() const;
  [[nodiscard]] const CompileStats& stats() const;

  [[nodiscard]] const std::shared_ptr<const wasm::ModuleState>& state() const { return state_; }

 private:
  explicit Module(std::shared_ptr<const wasm::ModuleState> state) : state_(std::move(state)) {}
  std::shared_ptr<const wasm::ModuleState> state_;
};

}  // namespace shunt::runtime
