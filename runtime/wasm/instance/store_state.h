// What a store owns. Everything here belongs to one thread at a time; only the signal handler looks in while guest code
// runs, on that same thread, through the members that say so.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "runtime/wasm/instance/guest_stack.h"
#include "runtime/wasm/instance/host_function.h"
#include "runtime/wasm/instance/linear_memory.h"
#include "runtime/wasm/instance/table.h"
#include "runtime/wasm/instance/vm_context.h"
#include "runtime/wasm/module/module_state.h"
#include "runtime/wasm/tracing/store_trace.h"
#include "shunt/runtime/instance.h"
#include "shunt/thread.h"

namespace shunt::wasm {

struct BreakpointStep;
struct InstanceState;
class InterruptState;

// Where a guest stopped, as far as it is known. The module is one of the store's.
struct TrapPlace {
  const ModuleState* module = nullptr;
  InstanceState* instance = nullptr;  // known if an instruction in baseline code trapped
  std::optional<std::uint32_t> function, module_offset;
};

// An append-only list that a signal handler may walk at any moment: a node is complete before it is reachable. Not
// thread-safe.
template <class T>
class SignalSafeList {
 public:
  SignalSafeList() = default;
  SignalSafeList(const SignalSafeList&) = delete;
  SignalSafeList& operator=(const SignalSafeList&) = delete;
  ~SignalSafeList() {
    for (Node* node = first(); node != nullptr;) delete std::exchange(node, node->next);
  }

  void add(const T* item) {
    // release: the handler on this thread must not see the node before its members; only the compiler could reorder
    // them.
    first_.store(new Node{item, first()}, std::memory_order_release);
  }

  // The first item that `matches`, or null. Async-signal-safe if `matches` is.
  template <class Matches>
  const T* find(Matches matches) const {
    for (const Node* node = first(); node != nullptr; node = node->next) {
      if (matches(*node->item)) return node->item;
    }
    return nullptr;
  }

 private:
  struct Node {
    const T* item;
    Node* next;
  };
  Node* first() const { return first_.load(std::memory_order_acquire); }  // acquire: pairs with add()
  std::atomic<Node*> first_{nullptr};
};

struct StoreState {
  StoreState(const runtime::StoreOptions& store_options, GuestStack guest_stack);
  ~StoreState();
  StoreState(const StoreState&) = delete;
  StoreState& operator=(const StoreState&) = delete;

  runtime::StoreOptions options;
  GuestStack stack;  // the signal handler reads its bounds
  ExecutionState execution{};
  const std::shared_ptr<InterruptState> interrupts;  // who asks for this store's guests; any thread
  Engine* engine = nullptr;                          // of all its modules; null before the first
  FrameWalker walker;                                // of the guest stack
  Thread* thread = nullptr;                          // while a call is in progress: of the thread that made it
  std::uint32_t depth = 0;                           // calls into guest code in progress
  std::shared_ptr<BreakpointStep> step;              // the guest steps; null: it does not
  std::optional<Error> host_error;                   // with TrapCode::HostError: what the host function returned
  std::uint64_t table_elements_left;                 // of StoreOptions::max_table_elements
  std::uintptr_t fault_pc = 0;                       // written by the signal handler: the instruction that trapped
  const VmContext* fault_context = nullptr;          // likewise, in baseline code: the context that it ran in
  // Likewise, of a trap in optimised code, which may be gone when the message is made.
  const ModuleState* fault_module = nullptr;
  std::optional<CodePlace> fault_place;
  TrapPlace stopped_at;  // of the last call that did not return, whoever stopped it
  StoreTrace trace;
  VmContext trap_context{};  // what the trap exit finds in the context register

  SignalSafeList<ModuleState> modules;    // whose code may run on this store's stack
  SignalSafeList<LinearMemory> memories;  // whose reservations guest code may touch

  // Objects that instances share; stable addresses, alive until the store ends.
  std::deque<std::unique_ptr<LinearMemory>> owned_memories;
  std::deque<std::unique_ptr<Table>> owned_tables;
  std::deque<GlobalCell> owned_globals;
  std::deque<HostBinding> host_bindings;
  std::deque<std::unique_ptr<InstanceState>> instances;

  LinearMemory& own(std::unique_ptr<LinearMemory> memory);
  Table& own(std::unique_ptr<Table> table);
};

}  // namespace shunt::wasm
