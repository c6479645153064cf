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
struct DebugFunction;
}  // namespace baseline

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

// A detour at a function's entry, or in front of a return.
struct TraceSite {
  std::uint32_t code_offset;  // of the patch site
  std::uint32_t module_offset;
};

// A TraceFunction's `event`. A leaf may have no frame: then its stack pointer is its caller's.
struct TraceCall {
  std::uint32_t function;
  bool is_leaf, leaves;

  static constexpr unsigned leaves_bit = 1, leaf_bit = 2, function_shift = 2;
  [[nodiscard]] constexpr std::uint32_t event() const {
    return function << function_shift | (is_leaf ? leaf_bit : 0) | (leaves ? leaves_bit : 0);
  }
  static constexpr TraceCall of(std::uint32_t event) {
    return {event >> function_shift, (event & leaf_bit) != 0, (event & leaves_bit) != 0};
  }
};

// A loop whose turns are counted. Its head has a site of its function's key (EntryState). Offsets are in the code.
struct LoopHead {
  std::uint32_t function;       // index
  std::uint32_t module_offset;  // byte of the loop in the module
  std::uint32_t site, resume;   // the patch site, and the instruction behind it
  std::uint32_t count;          // the stub that counts a turn and goes back
  std::uint32_t leave;  // code that goes on in an optimised loop entry, for baseline::make_entry_stubs(); 0: the
                        // function's frame is too large for it
  std::int32_t* counter;
};

// Runs guest code (a FuncRef's) in `context` on the guest's stack, from `guest_stack_top` downwards. `slots` holds the
// arguments as 64-bit words and takes the results: i32 and f32 zero-extended. Returns a TrapCode. One per signature.
using EnterThunk = std::uint32_t (*)(VmContext* context, const void* code, std::uint64_t* slots, void* guest_stack_top);

// --- between the tiers ---
//
// Optimised code has the platform's C convention, and runs on the guest's stack.

// An optimised function as everybody else calls it; slots as EnterThunk's.
using SlotsEntry = void (*)(VmContext* context, std::uint64_t* slots);
// An optimised function as a loop's head calls it, to go on there and return what the function returns: the slots hold
// the function's locals and then the operand stack, the loop's parameters on top, and take the results.
using LoopEntry = SlotsEntry;
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
  Optimised,  // to the stub of the function's SlotsEntry, or of the loop's LoopEntry; goes on as long as the site was
              // not retargeted
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
  std::uint32_t optimised_detour = 0;           // offset of what the detours of optimised code call
  std::uint32_t trap_exit = 0;  // offset: a signal handler sends a trapped thread here, with a context of the store in
                                // the context register
  std::vector<TrapSite> traps;
  std::vector<FunctionRange> functions;
  std::vector<FlagSite> flag_sites;
  std::vector<InterruptSite> interrupt_sites;  // sorted by code offset
  std::vector<TraceSite> trace_sites;          // likewise
  std::vector<std::uint32_t> debug_entries;    // by function index less imports: offset of the site of its debug key
  std::vector<LoopHead> loop_heads;            // by function and module offset; empty where nothing is counted
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
  // With entry keys: by function index less imports, counted down in EntryState::Count at entries, by several threads
  // without synchronisation. Must outlive the code. Null: nothing is counted.
  std::int32_t* entry_counters = nullptr;
  // With entry counters: gets one for each loop, which is counted down at its head. Must outlive the code.
  std::deque<std::int32_t>* loop_counters = nullptr;
  StaticKey* interrupt = nullptr;   // of the sites at loop heads and function entries; null: none
  DetourFunction detour = nullptr;  // that they call
  // With entry keys: where a thread has its ExecutionState* (TrapScope::execution_offset()).
  std::ptrdiff_t execution_offset = 0;
  // By function index less imports: of the sites where the function is entered and left. Must outlive the code. Null:
  // none.
  std::deque<StaticKey>* trace_keys = nullptr;
  TraceFunction trace = nullptr;  // that they call
  bool portable_code = false;     // only instructions that every supported processor has
  // By function index less imports: of a site at each entry, which a batch retargets to another version of the function
  // in the guest's convention. Must outlive the code. Null: none.
  std::deque<StaticKey>* debug_keys = nullptr;
  // Compiles one function alone, with a site in front of each operation (debug_sites.h); what is known of it goes here.
  // Without thunks. Must outlive the code. Null: a whole module, as usual.
  baseline::DebugFunction* debug = nullptr;
};

class BaselineCompiler final : public FunctionSink {
 public:
  explicit BaselineCompiler(const BaselineOptions& options);
  ~BaselineCompiler() override;
  // Errors: Unsupported if the processor cannot run what would be emitted; LimitExceeded; OutOfMemory. `module` must
  // outlive the compiler.
  Status begin_code(const ModuleData& module) override;
  // Errors: OutOfMemory, LimitExceeded.
  Status function(const FunctionBody& body) override;
  // Links and publishes. Call once, after read_module succeeded. Errors: the engine's, OutOfMemory.
  Result<std::unique_ptr<BaselineCode>> finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace shunt::wasm
