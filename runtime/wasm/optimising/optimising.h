// The optimising tier: LLVM, for functions that are worth its time. Machine code that is called, called from, and
// interrupted like the baseline's.
//
// An optimised function has two entries. `body` is called by other optimised code in C's convention, with the VmContext
// in front of the parameters and in the register that LLVM gives a swiftself argument. `slots_entry` is for everybody
// else: `void(VmContext* context, uint64_t* slots)`, slots as in EnterThunk (baseline.h).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "runtime/wasm/baseline/baseline.h"
#include "runtime/wasm/instance/vm_context.h"
#include "runtime/wasm/module/function_body.h"
#include "shunt/engine.h"

namespace shunt::wasm {

struct OptimisingOptions {
  Engine* engine = nullptr;
  flags::FlagSet* flags = nullptr;
  std::span<const FlagImport> flag_imports;        // one per imported function
  std::span<const std::uint32_t> canonical_types;  // by type index
  std::span<const CallGuestThunk> call_guest;      // by type index
  CallBuiltinThunk call_builtin = nullptr;

  // Detours at loop heads and function entries, while `interrupt` is on; null: none. `interrupt_entry` is what they
  // call (shunt/codegen/orc.h, emit_detour).
  StaticKey* interrupt = nullptr;
  const void* interrupt_entry = nullptr;
};

struct OptimisedFunction {
  std::uint32_t function;  // index
  const void* body;
  SlotsEntry slots_entry;
};

// A place in a module's code.
struct CodePlace {
  std::uint32_t function;
  std::uint32_t module_offset;
};

// Several functions' code. Immutable. When it ends, the code is retired: its memory is freed once no attached thread is
// in it (Engine::retire).
class OptimisedCode {
 public:
  virtual ~OptimisedCode() = default;

  [[nodiscard]] virtual std::span<const OptimisedFunction> functions() const = 0;  // by index
  [[nodiscard]] virtual const Code& code() const = 0;

  [[nodiscard]] bool holds(std::uintptr_t pc) const {
    return pc - reinterpret_cast<std::uintptr_t>(code().data()) < code().size();
  }
  // What the instruction at `pc`, which this holds, belongs to; nothing if it belongs to no function.
  // Async-signal-safe.
  [[nodiscard]] virtual std::optional<CodePlace> place_of(std::uintptr_t pc) const = 0;
};

// Compiles `bodies`, which are valid and of `module`, together: direct calls between them are direct, or inlined.
// Thread-safe; takes about a second for each 100 to 500 KB of code section. Errors: Unsupported, OutOfMemory, and the
// engine's.
Result<std::unique_ptr<OptimisedCode>> compile_optimised(const OptimisingOptions& options, const ModuleData& module,
                                                         std::span<const FunctionBody> bodies);

}  // namespace shunt::wasm
