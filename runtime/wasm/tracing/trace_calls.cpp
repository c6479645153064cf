#include "runtime/wasm/tracing/trace_calls.h"

#include <cstddef>

#include "runtime/wasm/instance/instance_state.h"

namespace shunt::wasm {

void trace_call(VmContext* context, std::uint32_t event, const void* frame) {
  const TraceCall call = TraceCall::of(event);
  InstanceState& instance = *context->instance;
  // Nothing lies below a leaf, so one word below its stack pointer stands for it alone.
  const void* const place = static_cast<const std::byte*>(frame) - (call.is_leaf ? sizeof(void*) : 0);
  instance.store.trace.record(instance.store, *instance.module->tracing,
                              call.leaves ? TraceEvent::Kind::Leave : TraceEvent::Kind::Enter, call.function, place);
}

void trace_trap(StoreState& store, TrapCode trap, const void* top) noexcept {
  const bool exits =
      trap == TrapCode::HostError && store.host_error && store.host_error->code() == ErrorCode::GuestExit;
  store.trace.unwind(store, exits ? unwound_by_exit : static_cast<std::uint32_t>(trap), top);
}

namespace {

void record(const HostBinding& binding, TraceEvent::Kind kind) noexcept {
  InstanceState& instance = *binding.context.instance;
  instance.store.trace.record(instance.store, *instance.module->tracing, kind, binding.import,
                              instance.store.execution.guest_stack);
}

}  // namespace

HostCallTrace::HostCallTrace(const HostBinding& binding) noexcept {
  const ModuleTracing* const tracing = binding.context.instance->module->tracing.get();
  if (tracing == nullptr || !tracing->traces_host(binding.import)) return;
  traced_ = &binding;
  record(binding, TraceEvent::Kind::EnterHost);
}

HostCallTrace::~HostCallTrace() {
  if (traced_ != nullptr) record(*traced_, TraceEvent::Kind::LeaveHost);
}

}  // namespace shunt::wasm
