// What records calls: compiled code calls the one, host functions make the other.
#pragma once

#include <cstdint>

#include "runtime/wasm/instance/vm_context.h"

namespace shunt::wasm {

struct HostBinding;
struct StoreState;

// The TraceFunction of all modules.
void trace_call(VmContext* context, std::uint32_t event, const void* frame);

// A call of the guest from the host, whose frames began at `top`, ended with this trap, whose host_error is still
// there.
void trace_trap(StoreState& store, TrapCode trap, const void* top) noexcept;

// While one is alive, a function of the host runs on a guest's behalf. One load and branch if it is not traced.
class HostCallTrace {
 public:
  explicit HostCallTrace(const HostBinding& binding) noexcept;
  ~HostCallTrace();
  HostCallTrace(const HostCallTrace&) = delete;
  HostCallTrace& operator=(const HostCallTrace&) = delete;

 private:
  const HostBinding* traced_ = nullptr;
};

}  // namespace shunt::wasm
