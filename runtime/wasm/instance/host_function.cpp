#include "runtime/wasm/instance/host_function.h"

#include <exception>
#include <string>
#include <utility>

#include "runtime/wasm/control/detour.h"
#include "runtime/wasm/control/interrupt_state.h"
#include "runtime/wasm/instance/inline_buffer.h"
#include "runtime/wasm/instance/store_state.h"
#include "runtime/wasm/tracing/trace_calls.h"

namespace shunt::wasm {
namespace {

using runtime::Value;
using runtime::ValueType;

Status check_results(const HostBinding& binding, std::span<const Value> results) {
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i].type == binding.type->results[i]) continue;
    return make_error(ErrorCode::InvalidArgument, "host function " + binding.name + " returned " +
                                                      std::string(to_string(results[i].type)) + " as result " +
                                                      std::to_string(i) + ": its type is " + to_string(*binding.type));
  }
  return Ok{};
}

Status call(const HostBinding& binding, std::uint64_t* slots) {
  const runtime::FunctionType& type = *binding.type;
  InlineBuffer<Value, 16> values(type.params.size() + type.results.size());
  const std::span<Value> arguments = values.all().first(type.params.size());
  const std::span<Value> results = values.all().subspan(type.params.size());
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    arguments[i] = {type.params[i], significant_bits(type.params[i], slots[i])};
  }
  for (std::size_t i = 0; i < results.size(); ++i) results[i] = {type.results[i], 0};
  Status status = (*binding.function)(runtime::Caller(binding.context.instance), arguments, results);
  if (!status) return status;
  status = check_results(binding, results);
  if (!status) return status;
  for (std::size_t i = 0; i < results.size(); ++i) slots[i] = significant_bits(type.results[i], results[i].bits);
  return Ok{};
}

// The guest waits meanwhile.
Status call_and_catch(const HostBinding& binding, std::uint64_t* slots) {
  StoreState& store = *binding.context.execution->store;
  const ExecutionState& execution = store.execution;
  const HostScope host(*store.thread, {execution.guest_pc, execution.guest_stack, nullptr});
  const HostPause pause(*store.interrupts);
  const HostCallTrace trace(binding);
  try {
    return call(binding, slots);
  } catch (const std::exception& exception) {
    return make_error(ErrorCode::Trap, "host function " + binding.name + " threw an exception: " + exception.what());
  } catch (...) {
    return make_error(ErrorCode::Trap, "host function " + binding.name + " threw an exception of unknown type");
  }
}

}  // namespace

std::uint32_t call_host_function(VmContext* host_context, std::uint64_t* slots) {
  const HostBinding& binding = *static_cast<const HostBinding*>(host_context->host);
  Status status = call_and_catch(binding, slots);
  if (status) return may_go_on(*host_context->execution->store) ? 0 : 1;
  ExecutionState& execution = *host_context->execution;
  execution.store->host_error = std::move(status).error();
  execution.trap = static_cast<std::uint32_t>(TrapCode::HostError);
  return 1;
}

std::uint64_t significant_bits(runtime::ValueType type, std::uint64_t bits) {
  return type == ValueType::I32 || type == ValueType::F32 ? static_cast<std::uint32_t>(bits) : bits;
}

}  // namespace shunt::wasm
