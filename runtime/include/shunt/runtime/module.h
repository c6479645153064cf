// A WebAssembly module: validated and compiled. Immutable and thread-safe; instances on any thread share its code.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "shunt/engine.h"
#include "shunt/error.h"
#include "shunt/runtime/module_limits.h"
#include "shunt/runtime/value.h"

namespace shunt::flags {
class FlagSet;
}
namespace shunt::wasm {
class ModuleLoader;
struct ModuleState;
}  // namespace shunt::wasm

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

// Which compilers a module's functions go through (docs/tiers.md).
enum class Tier : std::uint8_t {
  Baseline,    // one pass; code at once
  Optimising,  // all functions a second time, by LLVM, before load() returns: about a second for each 20 to 50 KB
  Auto,        // the functions that become hot, on a thread of the module's, while the guest runs
};

// "baseline", "optimising", "auto".
[[nodiscard]] std::string_view to_string(Tier tier);
[[nodiscard]] std::optional<Tier> parse_tier(std::string_view name);

// Whether this build has the optimising tier: it was built with LLVM.
[[nodiscard]] bool has_optimising_tier();

struct ModuleOptions {
  std::string name = "<module>";  // for messages: the file that it came from
  Tier tier = Tier::Baseline;
  // With Tier::Auto: after how many entries and turns of loops a function is compiled, from 1 up.
  std::uint32_t hot_count = 10'000;
  // Sites at loop heads and function entries, at which guests can be stopped and seen (shunt/runtime/interrupt.h): a
  // no-op each. Without, guest code holds up who interrupts it, and who waits for the engine's threads, until it
  // leaves.
  bool interruptible = true;
  // Sites where functions are entered and left, so that a Tracer can trace them (shunt/runtime/trace.h): a no-op each,
  // and about 350 bytes of memory a function.
  bool traceable = false;
  // Breakpoints can be set (shunt/runtime/breakpoint.h): a no-op more at each function's entry, and a copy of the
  // module's bytes.
  bool debuggable = false;
  // For guests of strangers.
  ModuleLimits limits;
};

// What compiling cost and made.
struct CompileStats {
  std::size_t module_bytes = 0, code_section_bytes = 0, machine_code_bytes = 0;
  std::size_t functions = 0, sites = 0;
  std::size_t flag_sites = 0;    // of `sites`: reads of flags; the others are where guests can be stopped
  std::uint64_t decode_ns = 0;   // decode and validate (zero where it cannot be told apart from compile_ns)
  std::uint64_t compile_ns = 0;  // generate machine code
  std::uint64_t publish_ns = 0;
  std::uint64_t optimise_ns = 0;  // in the optimising tier, before load() returned
  [[nodiscard]] std::uint64_t total_ns() const { return decode_ns + compile_ns + publish_ns + optimise_ns; }
};

// What the optimising tier has made of a module up to now.
struct TierStats {
  std::size_t optimised = 0;       // functions that have an optimised version
  std::size_t code_bytes = 0;      // of optimised code, what waits to be freed included
  std::uint64_t compile_ns = 0;    // on the module's thread
  std::size_t failed = 0;          // compilations; their functions stay in the tier that they are in
  std::size_t loops = 0;           // where calls that began in the baseline can go on in optimised code
  std::uint64_t loop_entries = 0;  // how many did
  std::size_t withdrawn = 0;       // assumptions that a write to a table broke (docs/speculation.md)
};

// A patch site of a module's code, as inspection tools show it.
struct ModuleSite {
  // What the compiler made of the read: it decides a branch of the guest, selects one of two values, or is a value.
  enum class Shape : std::uint8_t { Branch, Select, Value, Other };

  SiteInfo site;                          // the engine's view: where it is, its form and its state
  Tier tier = Tier::Baseline;             // that compiled the code: the baseline, or the optimising tier
  std::uint32_t code_offset = 0;          // of the site, in the module's machine code of that tier (what was compiled
                                          // together)
  std::optional<std::uint32_t> function;  // that holds it; empty for code that belongs to none
  std::string function_name;              // "name" or "function 12"
  std::uint32_t module_offset = 0;        // of the read, the loop or the function's body, in the module's bytes
  std::string flag;                       // the import's name: "key" or "key=variant"; empty if the site reads no flag
  bool interrupts = false;                // at a loop's head or a function's entry
  bool traces = false;                    // where a function is entered or left
  Shape shape = Shape::Other;
};

class Module {
 public:
  // Decodes, validates and compiles. Flag imports (module name "flags") become patch sites of `flags`; it and `engine`
  // must outlive the module. Errors: BadModule (message: file, byte offset, what), LimitExceeded (likewise, and which
  // of the limits), BadFlags (a flag is defined with another type than the module asks for), Unsupported (the build has
  // no optimising tier), and the engine's. Thread-safe; blocks.
  static Result<Module> load(Engine& engine, flags::FlagSet& flags, std::span<const std::uint8_t> bytes,
                             const ModuleOptions& options = {});

  [[nodiscard]] std::vector<ImportType> imports() const;
  [[nodiscard]] std::vector<ExportType> exports() const;
  [[nodiscard]] const CompileStats& stats() const;
  [[nodiscard]] TierStats tier_stats() const;  // blocks while functions switch

  // Every patch site of the module's code, by address; what is optimised now comes behind the baseline's. `engine` is
  // the one that it was loaded with. Blocks (the engine's commit lock).
  [[nodiscard]] std::vector<ModuleSite> sites(const Engine& engine) const;

  [[nodiscard]] const std::shared_ptr<const wasm::ModuleState>& state() const { return state_; }

 private:
  friend class wasm::ModuleLoader;
  explicit Module(std::shared_ptr<const wasm::ModuleState> state) : state_(std::move(state)) {}
  std::shared_ptr<const wasm::ModuleState> state_;
};

}  // namespace shunt::runtime
