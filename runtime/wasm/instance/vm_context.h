// What compiled code and the runtime share: the structures that machine code reads and writes by offset.
//
// Machine code is position-bound but instance-free: everything of an instance is reached through its VmContext, so all
// instances of a module run the same code. In guest code one register holds the VmContext* and one the memory's base
// (baseline/*_selection.h); the base is constant for an instance's life, because a memory
// reserves its whole address range at once and grows in place.
#pragma once

#include <cstddef>
#include <cstdint>

namespace shunt::wasm {

struct VmContext;
struct StoreState;
struct InstanceState;

// Why a guest stopped. Values are shared with machine code.
enum class TrapCode : std::uint32_t {
  None = 0,
  Unreachable,
  MemoryOutOfBounds,
  TableOutOfBounds,
  IndirectCallToNull,
  IndirectCallTypeMismatch,
  IntegerOverflow,
  IntegerDivideByZero,
  InvalidConversion,
  StackOverflow,
  UndefinedElement,
  HostError,    // a host function failed: StoreState holds its Error
  Interrupted,  // stopped from outside: control/interrupt_state.h
};

// What a funcref points to. Lives as long as its instance's store.
struct FuncRef {
  const void* code;        // entry, guest calling convention
  VmContext* context;      // what the callee needs in its context register
  std::uint32_t type;      // canonical signature: equal if and only if the types are equal, in the whole process
  std::uint32_t function;  // in the owner's index space
  const void* optimised;   // the body in the optimising tier (optimising/optimising.h), or null; may change any time
};

struct TableView {
  std::uint64_t* elements;  // FuncRef* or host words; 0 is null
  std::uint64_t size;
};

struct MemoryView {
  std::uint8_t* base;
  std::uint64_t bytes;  // accessible now
};

struct GlobalCell {
  alignas(16) std::uint64_t bits[2];  // 16 bytes, so that a vector fits later
};

// Per store: where the host's stack is while a guest runs on the guest stack.
struct ExecutionState {
  void* host_stack;  // stack pointer to switch to for calls into the host; saved and restored by the enter thunk
                     // (nesting)
  void*
      guest_stack;  // guest stack pointer published when guest code leaves for the host; frames above it can be walked
  const void*
      guest_pc;        // return address into guest code, published with it; the trap site one byte before it says where
  void* trap_frame;    // host stack pointer that the trap exit restores: the innermost enter thunk's frame
  std::uint32_t trap;  // TrapCode of the pending trap; set by the host side before it asks for the trap exit
  // What is wanted of the guest (control/interrupt_state.h): not zero, and it is asked for at the next site. Written by
  // any thread, as an atomic; what detours test first.
  std::uint32_t interrupted;
  StoreState* store;
  const void* safepoint_wanted;  // one byte, not zero: the engine wants the thread that runs the guest to be seen
};

// Calls from guest code into the runtime, through the builtin thunk (which switches to the host's stack). All take and
// return 64-bit words; a builtin that traps sets context->execution->trap (the thunk checks it after each call).
enum class Builtin : std::uint32_t {
  MemoryGrow,  // (pages) -> old pages or 0xffffffff
  MemoryFill,  // (dst, value, n)
  MemoryCopy,  // (dst, src, n)
  MemoryInit,  // (dst, src, n, segment)
  DataDrop,    // (segment)
  TableGet,    // (index, table) -> ref
  TableSet,    // (index, ref, table)
  TableGrow,   // (ref, n, table) -> old size or 0xffffffff
  TableFill,   // (index, ref, n, table)
  TableCopy,   // (dst, src, n, dst_table << 32 | src_table)
  TableInit,   // (dst, src, n, segment << 32 | table)
  ElemDrop,    // (segment)
  FlagString,  // (buffer, capacity, function index of the import) -> length
  Breakpoint,  // (baseline::DebugSite*, stack pointer)
  Count_,
};
using BuiltinFunction = std::uint64_t (*)(VmContext*, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t);

// The context of an instance. A host function's context starts with the same members (its `host` is set, its tables are
// not).
struct VmContext {
  std::uint8_t* memory_base;  // null if there is no memory
  MemoryView* memory;         // memory.size reads `bytes`
  ExecutionState* execution;
  const BuiltinFunction* builtins;  // indexed by Builtin
  FuncRef* functions;               // one per function of the index space
  TableView** tables;               // one per table
  GlobalCell** imported_globals;    // one per imported global
  void* host;                       // contexts of host functions: the HostFunction record, else null
  InstanceState* instance;
  void* reserved;
  // GlobalCell own_globals[]: one per global that the module defines, at own_globals_offset
};
inline constexpr std::size_t own_globals_offset = (sizeof(VmContext) + 15) / 16 * 16;

// What a detour's stub calls, on the host's stack, if something is wanted of the guest. `site` is the return address
// into the stub, published as ExecutionState::guest_pc, with the guest's stack pointer. The same for all tiers: it
// finds the store by the thread. Returns 0: the guest goes on; else to trap (execution->trap says why). Never throws.
using DetourFunction = std::uint32_t (*)(const void* site);

// What a trace site's stub calls, on the host's stack: a function of the context's instance was entered, or is about to
// return. `frame` is the stack pointer of its frame: the same at both. Never throws.
using TraceFunction = void (*)(VmContext* context, std::uint32_t event, const void* frame);

// Called by host-call thunks on the host's stack. `slots` holds the arguments as 64-bit words and takes the results.
// Returns 0, or non-zero to trap (execution->trap says why). Never throws.
using HostCallFunction = std::uint32_t (*)(VmContext* host_context, std::uint64_t* slots);

}  // namespace shunt::wasm
