// The optimising tier: LLVM, for functions that are worth its time. Machine code that is called, called from, and
// interrupted like the baseline's.
//
// An optimised function has two entries. `body` is called by other optimised code in C's convention, with the VmContext
// in front of the parameters and in the register that LLVM gives a swiftself argument. `slots_entry` is for everybody
// else: `void(VmContext* context, uint64_t* slots)`, slots as in EnterThunk (baseline.h).
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "runtime/wasm/baseline/baseline.h"
#include "runtime/wasm/instance/vm_context.h"
#include "runtime/wasm/module/function_body.h"
#include "runtime/wasm/speculation/module_assumptions.h"
#include "shunt/engine.h"

namespace shunt::wasm {

// A place in a module's code.
struct CodePlace {
  std::uint32_t function;
  std::uint32_t module_offset;
};

struct OptimisingOptions {
  Engine* engine = nullptr;
  flags::FlagSet* flags = nullptr;
  std::span<const FlagImport> flag_imports;        // one per imported function
  std::span<const std::uint32_t> canonical_types;  // by type index
  std::span<const CallGuestThunk> call_guest;      // by type index
  CallBuiltinThunk call_builtin = nullptr;
  // Which tier each function runs in, by function index less imports (BaselineOptions::entry_keys); must outlive the
  // code. Direct calls of functions that are not compiled with them are redirected by these. Null: such calls go by
  // reference.
  std::deque<StaticSwitch>* tier_keys = nullptr;
  // Loops of the functions that are compiled which are to have entries; the most important first. Each costs about what
  // the function costs; those that would cost much more get none.
  std::span<const CodePlace> loops;
  std::atomic<std::uint64_t>* loop_entries = nullptr;  // counts how often one is entered; must outlive the code
  const ModuleAssumptions* assumptions = nullptr;      // null: what tables and globals hold is looked up, always

  // Detours at loop heads and function entries, while `interrupt` is on; null: none. `interrupt_entry` is what they
  // call (shunt/codegen/orc.h, LateDetours).
  StaticKey* interrupt = nullptr;
  const void* interrupt_entry = nullptr;
};

struct OptimisedFunction {
  std::uint32_t function;  // index
  const void* body;
  SlotsEntry slots_entry;
};

// Where a call that began in the baseline goes on, at the head of a loop (LoopEntry).
struct OptimisedLoop {
  CodePlace loop;
  LoopEntry entry;
};

// Where direct calls of a function that is not compiled with them go: a site of the function's key, which falls through
// to a call by reference. In EntryState::Optimised it leads there too, until a batch retargets it to the body.
struct OutsideEntry {
  std::uint32_t function;  // index
  const std::uint8_t* site;
};

// Several functions' code. Immutable. When it ends, the code is retired: its memory is freed once no attached thread is
// in it (Engine::retire).
class OptimisedCode {
 public:
  virtual ~OptimisedCode() = default;

  [[nodiscard]] virtual std::span<const OptimisedFunction> functions() const = 0;  // by index
  [[nodiscard]] virtual std::span<const OptimisedLoop> loops() const { return {}; }
  [[nodiscard]] virtual std::span<const OutsideEntry> outside() const { return {}; }
  [[nodiscard]] virtual const Code& code() const = 0;

  [[nodiscard]] bool holds(std::uintptr_t pc) const {
    return pc - reinterpret_cast<std::uintptr_t>(code().data()) < code().size();
  }
  // What the instruction at `pc`, which this holds, belongs to; nothing if it belongs to no function.
  // Async-signal-safe.
  [[nodiscard]] virtual std::optional<CodePlace> place_of(std::uintptr_t pc) const = 0;
};

// Compiles `bodies`, which are valid and of `module`, together: direct calls between them are direct, or inlined.
// Thread-safe; takes about a second for each 20 to 50 KB of code section. Errors: Unsupported, OutOfMemory, and the
// engine's.
Result<std::unique_ptr<OptimisedCode>> compile_optimised(const OptimisingOptions& options, const ModuleData& module,
                                                         std::span<const FunctionBody> bodies);

}  // namespace shunt::wasm
