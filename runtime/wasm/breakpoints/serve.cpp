// The guest's side: a thread that has come to a site.
#include <exception>
#include <utility>

#include "runtime/wasm/breakpoints/breakpoints.h"
#include "runtime/wasm/control/detour.h"
#include "runtime/wasm/control/interrupt_state.h"
#include "runtime/wasm/instance/instance_state.h"
#include "shunt/patch_batch.h"

namespace shunt::wasm {
namespace {

using runtime::BreakpointAction;
using runtime::BreakpointContext;

Result<BreakpointAction> call_and_catch(const runtime::BreakpointHandler& handler, BreakpointContext& context) {
  try {
    return handler(context);
  } catch (const std::exception& exception) {
    return make_error(ErrorCode::Trap, std::string("a breakpoint's handler threw an exception: ") + exception.what());
  } catch (...) {
    return make_error(ErrorCode::Trap, "a breakpoint's handler threw an exception of unknown type");
  }
}

Error stopped(const BreakpointFrame& frame) {
  char place[24];
  std::snprintf(place, sizeof place, "0x%04x", frame.site.module_offset);
  return make_error(ErrorCode::Interrupted, frame.instance.data().source_name +
                                                ": stopped at a breakpoint in function " + frame.function_name +
                                                " at byte " + place);
}

}  // namespace

Status Breakpoints::serve(InstanceState& instance, const baseline::DebugSite& site, std::uint8_t* stack_pointer) {
  StoreState& store = instance.store;
  const std::uint32_t function = site.function.function;
  Armed armed;
  const std::string* name = nullptr;
  {
    const std::scoped_lock hold(mutex_);
    Version& version = *versions_.at(function);  // this thread is in it
    name = &version.name;
    if (const auto here = version.armed.find(&site); here != version.armed.end()) armed = here->second;
  }
  const BreakpointStep* const step = store.step.get();
  const bool steps =
      step != nullptr && step->owner == this && step->function == function && stack_pointer >= step->stack_pointer;
  if (armed.empty() && !steps) return Ok{};  // another store steps here
  for (const auto& breakpoint : armed) breakpoint->hits.fetch_add(1, std::memory_order_relaxed);
  if (steps && std::find(armed.begin(), armed.end(), step->breakpoint) == armed.end())
    armed.push_back(step->breakpoint);
  if (steps) {
    // The sites stay on: the step that follows may need them.
    const std::shared_ptr<BreakpointStep> taken = std::exchange(store.step, nullptr);
  }

  const BreakpointFrame frame{instance, site, stack_pointer, *name, steps};
  BreakpointAction action = BreakpointAction::Resume;
  std::shared_ptr<ArmedBreakpoint> decider;
  for (const auto& breakpoint : armed) {
    if (breakpoint->cleared) continue;
    BreakpointContext context(frame);
    const Result<BreakpointAction> wanted = call_and_catch(breakpoint->handler, context);
    if (!wanted) {
      if (steps) (void)switch_all_sites(function, false);
      return wanted.error();
    }
    if (*wanted > action) {
      action = *wanted;
      decider = breakpoint;
    }
  }
  return act(frame, action, std::move(decider), steps);
}

Status Breakpoints::act(const BreakpointFrame& frame, BreakpointAction action,
                        std::shared_ptr<ArmedBreakpoint> breakpoint, bool was_stepping) {
  StoreState& store = frame.instance.store;
  const std::uint32_t function = frame.site.function.function;
  if (action == BreakpointAction::Step) {
    end_step(store);  // one that a guest began which the handler called
    if (!was_stepping) {
      if (Status on = switch_all_sites(function, true); !on) return on;
    }
    store.step = std::make_shared<BreakpointStep>(this, function, frame.stack_pointer, std::move(breakpoint));
    return Ok{};
  }
  Status off = was_stepping ? switch_all_sites(function, false) : Status(Ok{});
  if (action == BreakpointAction::Stop) return stopped(frame);
  return off;
}

// One store more, or one fewer, steps in the function's version.
Status Breakpoints::switch_all_sites(std::uint32_t function, bool on) {
  const std::scoped_lock hold(mutex_);
  Version& version = *versions_.at(function);
  PatchBatch batch(engine_);
  for (baseline::DebugSite& site : version.places.sites) on ? batch.acquire(site.key) : batch.release(site.key);
  if (Result<CommitReport> committed = batch.commit(); !committed) return std::move(committed).error();
  on ? ++version.steps : --version.steps;
  return Ok{};
}

void Breakpoints::end_step(StoreState& store) noexcept {
  if (const std::shared_ptr<BreakpointStep> step = std::exchange(store.step, nullptr)) {
    (void)step->owner->switch_all_sites(step->function, false);  // a failed serialisation is told by the next commit
  }
}

std::uint64_t breakpoint_reached(VmContext* context, std::uint64_t site, std::uint64_t stack_pointer, std::uint64_t,
                                 std::uint64_t) {
  (void)Breakpoints::versions_compiled.load(std::memory_order_acquire);  // before what was said there is read
  const auto& at = *reinterpret_cast<const baseline::DebugSite*>(site);
  ExecutionState& execution = *context->execution;
  StoreState& store = *execution.store;
  Status served = Ok{};
  {
    const HostScope host(*store.thread, {execution.guest_pc, execution.guest_stack, nullptr});
    const HostPause pause(*store.interrupts);
    served = at.function.owner->serve(*context->instance, at, reinterpret_cast<std::uint8_t*>(stack_pointer));
  }
  if (served) {
    (void)may_go_on(store);  // if not, it has said why
  } else {
    store.host_error = std::move(served).error();
    execution.trap = static_cast<std::uint32_t>(TrapCode::HostError);
  }
  return 0;
}

}  // namespace shunt::wasm
