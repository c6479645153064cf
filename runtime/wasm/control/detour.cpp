#include "runtime/wasm/control/detour.h"

#include <optional>
#include <utility>

#include "runtime/wasm/control/interrupt_state.h"
#include "runtime/wasm/instance/store_state.h"
#include "runtime/wasm/instance/traps.h"

namespace shunt::wasm {

bool may_go_on(StoreState& store) {
  if (store.interrupts->pending() == 0) return true;
  if (store.interrupts->serve(store.host_error)) return true;
  const TrapCode why = store.host_error ? TrapCode::HostError : TrapCode::Interrupted;
  store.execution.trap = static_cast<std::uint32_t>(why);
  return false;
}

std::uint32_t serve_detour(const void* site) {
  StoreState& store = TrapScope::of_this_thread()->store;
  store.thread->safepoint_at({site, store.execution.guest_stack, nullptr});
  if (store.interrupts->pending() == 0) return 0;
  // What is served is the host's.
  const HostScope host(*store.thread, {site, store.execution.guest_stack, nullptr});
  return may_go_on(store) ? 0 : 1;
}

}  // namespace shunt::wasm
