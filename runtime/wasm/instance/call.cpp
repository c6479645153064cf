// From the host into guest code and back.
#include <utility>

#include "runtime/wasm/breakpoints/breakpoints.h"
#include "runtime/wasm/control/detour.h"
#include "runtime/wasm/control/guest_thread.h"
#include "runtime/wasm/control/interrupt_state.h"
#include "runtime/wasm/instance/instance_state.h"
#include "runtime/wasm/instance/traps.h"
#include "runtime/wasm/tracing/trace_calls.h"

namespace shunt::wasm {
namespace {

// Kept free on the host's stack, so that a host function that is called through many nested calls finds room to run. A
// guest that recurses through the host would else overflow the host's stack, which nothing catches.
constexpr std::size_t least_host_stack = std::size_t{128} << 10;

// Where the next guest frame may begin: the stack's top, or below the frames of the call that is waiting for its host
// function.
std::uint8_t* next_frame(const StoreState& store) {
  return store.depth == 0 ? store.stack.top() : static_cast<std::uint8_t*>(store.execution.guest_stack);
}

// Whether a nested call would leave the host too little. (That the guest's stack is full is noticed by its guard.)
bool host_stack_exhausted(const StoreState& store) {
  return store.depth > 0 && host_stack_left() < least_host_stack;
}

// One more call in progress; puts back what the call that is waiting needs when it goes on.
class CallDepth {
 public:
  CallDepth(StoreState& store, std::uint8_t* top)
      : store_(store), guest_stack_(store.execution.guest_stack), guest_pc_(store.execution.guest_pc) {
    ++store_.depth;
    store_.interrupts->run();
    store_.execution.guest_pc = nullptr;  // the new call has not left guest code yet
    store_.execution.guest_stack = top;   // what is served before it begins may call guests
  }
  ~CallDepth() {
    store_.interrupts->leave();
    if (--store_.depth == 0) Breakpoints::end_step(store_);
    store_.execution.guest_stack = guest_stack_;
    store_.execution.guest_pc = guest_pc_;
    store_.execution.trap = static_cast<std::uint32_t>(TrapCode::None);
    store_.fault_pc = 0;
    store_.fault_context = nullptr;
    store_.fault_module = nullptr;
    store_.fault_place.reset();
  }
  CallDepth(const CallDepth&) = delete;
  CallDepth& operator=(const CallDepth&) = delete;

 private:
  StoreState& store_;
  void* guest_stack_;
  const void* guest_pc_;
};

Error outcome(StoreState& store, TrapCode trap, std::string_view module_name) {
  store.stopped_at = trap_place(store);
  if (trap == TrapCode::HostError && store.host_error) return *std::exchange(store.host_error, std::nullopt);
  return trap_error(store, trap, module_name);
}

}  // namespace

Status call_function(InstanceState& instance, std::uint32_t function, std::uint64_t* slots) {
  StoreState& store = instance.store;
  store.stopped_at = {};
  Status prepared = prepare_thread_for_traps();
  if (!prepared) return prepared;
  if (host_stack_exhausted(store)) return trap_error(store, TrapCode::StackOverflow, instance.data().source_name);

  const BaselineCode& code = *instance.module->code;
  const auto enter =
      code.code.entry<std::remove_pointer_t<EnterThunk>>(code.enter_thunks[instance.data().functions[function].type]);
  const FuncRef& callee = instance.functions[function];
  std::uint8_t* const top = next_frame(store);
  Result<Thread*> thread = guest_thread(*store.engine);
  if (!thread) return std::move(thread).error();
  store.thread = *thread;  // the same at any depth
  store.execution.safepoint_wanted = &store.thread->safepoint_wanted();
  const TrapScope traps(store);
  const GuestScope guest(*store.thread, top, store.walker);
  const CallDepth depth(store, top);
  const TrapCode trap = may_go_on(store) ? static_cast<TrapCode>(enter(callee.context, callee.code, slots, top))
                                         : static_cast<TrapCode>(store.execution.trap);
  if (trap == TrapCode::None) return Ok{};
  trace_trap(store, trap, top);
  return outcome(store, trap, instance.data().source_name);
}

}  // namespace shunt::wasm
