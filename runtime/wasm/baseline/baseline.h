// The baseline tier: one pass over each function as the reader delivers it, machine code for the whole module at the
// end.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/wasm/instance/vm_context.h"
#include "runtime/wasm/module/function_body.h"
#include "shunt/engine.h"

namespace shunt::flags {
class Flag;
class FlagSet;
enum class FlagType : std::uint8_t;
}  // namespace shunt::flags

namespace shunt::wasm {

namespace baseline {
class FlagStubs;
}

// A place that may trap: an instruction's offset in the code, and why. Sorted by code offset. Memory accesses
// (MemoryOutOfBounds) and reads of a funcref's signature (IndirectCallToNull: an address in the first page) fault;
// explicit traps are illegal instructions. TrapCode::None marks the last byte of a call that leaves the guest: it
// stands before ExecutionState::guest_pc.
struct TrapSite {
  std::uint32_t code_offset;
  std::uint32_t module_offset;  // byte of the operation in the module
  TrapCode trap;
};

struct FunctionRange {  // of machine code; sorted
  std::uint32_t begin, end;
  std::uint32_t function;  // index
};

// A flag read in the code, for `shunt sites` and for making stubs.
struct FlagSite {
  std::uint32_t code_offset;  // of the patch site
  std::uint32_t module_offset;
  std::uint32_t function;
  std::uint32_t import;  // function index of the flag's import
  enum class Shape : std::uint8_t { Branch, Select, Value } shape;
};

// A detour at a loop's head or a function's entry.
struct InterruptSite {
  std::uint32_t code_offset;  // of the patch site
  std::uint32_t module_offset;
};

// Runs guest code (a FuncRef's) in `context` on the guest's stack, from `guest_stack_top` downwards. `slots` holds the
// arguments as 64-bit words and takes the results: i32 and f32 zero-extended. Returns a TrapCode. One per signature.
using EnterThunk = std::uint32_t (*)(VmContext* context, const void* code, std::uint64_t* slots, void* guest_stack_top);

// --- between the tiers ---
//
// Optimised code has the platform's C convention, and runs on the guest's stack.

// An optimised function as everybody else calls it; slots as EnterThunk's.
using SlotsEntry = void (*)(VmContext* context, std::uint64_t* slots);
// Calls a FuncRef's code from optimised code. One per signature.
using CallGuestThunk = void (*)(VmContext* callee, const void* code, std::uint64_t* slots);
// Calls a builtin from optimised code: on the host's stack. Does not return if the builtin trapped.
using CallBuiltinThunk = std::uint64_t (*)(VmContext* context, std::uint64_t, std::uint64_t, std::uint64_t,
                                           std::uint64_t, std::uint32_t builtin);

// What a function's entry site does, as the states of its key. The site is the function's first instruction, in the
// guest's convention.
enum class EntryState : std::uint8_t {
  Baseline,   // falls through
  Count,      // to the counter, which goes back (goes on where nothing is counted)
  Optimised,  // to the stub of the function's SlotsEntry; goes on as long as the site was not retargeted
};
inline constexpr unsigned entry_states = 3;

struct BaselineCode {
  BaselineCode();
  ~BaselineCode();
  BaselineCode(const BaselineCode&) = delete;
  BaselineCode& operator=(const BaselineCode&) = delete;

  std::unique_ptr<baseline::FlagStubs>
      flag_stubs;  // ends after `code`, whose sites lead to it; null without numeric flags
  Code code;
  std::vector<std::uint32_t> entries;       // by function index less imports: offset of the guest-convention entry
  std::vector<std::uint32_t> enter_thunks;  // by type index: offset of an EnterThunk
  std::vector<std::uint32_t> host_thunks;   // by type index: offset of a guest-convention entry that calls `host_call`
  std::vector<std::uint32_t> optimised_thunks;  // by type index: offset of a guest-convention entry that calls a
                                                // SlotsEntry; entry_stubs.h goes there. Empty without entry keys
  std::vector<std::uint32_t> guest_calls;       // by type index: offset of a CallGuestThunk. Empty without entry keys
  std::uint32_t builtin_call = 0;               // offset of a CallBuiltinThunk
  std::uint32_t trap_exit = 0;  // offset: a signal handler sends a trapped thread here, with a context of the store in
                                // the context register
  std::vector<TrapSite> traps;
  std::vector<FunctionRange> functions;
  std::vector<FlagSite> flag_sites;
  std::vector<InterruptSite> interrupt_sites;  // sorted by code offset
  std::size_t sites = 0;
};

// How an import of module "flags" is read; made by the module loader from the import's name and type.
struct FlagImport {
  flags::Flag* flag = nullptr;  // null: not a flag import
  flags::FlagType type{};
  std::string variant;  // `key=variant` imports; else empty
};

struct BaselineOptions {
  Engine* engine = nullptr;
  flags::FlagSet* flags = nullptr;           // that the imports belong to
  std::span<const FlagImport> flag_imports;  // one per imported function; must outlive the compiler
  HostCallFunction host_call = nullptr;
  // By function index less imports: entry_states states each; must outlive the code. Null: no entry sites, and no
  // thunks between the tiers.
  std::deque<StaticSwitch>* entry_keys = nullptr;
  // With entry keys: by function index less imports, counted down in EntryState::Count at entries and loops' heads, by
  // several threads without synchronisation. Must outlive the code. Null: nothing is counted.
  std::int32_t* entry_counters = nullptr;
  StaticKey* interrupt = nullptr;   // of the sites at loop heads and function entries; null: none
  DetourFunction detour = nullptr;  // that they call
  bool portable_code = false;       // only instructions that every supported processor has
};

class BaselineCompiler final : public FunctionSink {
 public:
  explicit BaselineCompiler(const BaselineOptions& options);
  ~BaselineCompiler() override;
  // Errors: Unsupported if the processor cannot run what would be emitted. `module` must outlive the compiler.
  Status begin_code(const ModuleData& module) override;
  // Errors: OutOfMemory.
  Status function(const FunctionBody& body) override;
  // Links and publishes. Call once, after read_module succeeded. Errors: the engine's, OutOfMemory.
  Result<std::unique_ptr<BaselineCode>> finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace shunt::wasm
