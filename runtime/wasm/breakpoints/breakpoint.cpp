#include "shunt/runtime/breakpoint.h"

#include <cstring>
#include <utility>

#include "runtime/wasm/breakpoints/breakpoints.h"
#include "runtime/wasm/instance/instance_state.h"

namespace shunt::runtime {
namespace {

Result<wasm::Breakpoints*> breakpoints_of(const Module& module) {
  const wasm::ModuleState& state = *module.state();
  if (state.breakpoints) return state.breakpoints.get();
  return make_error(ErrorCode::InvalidArgument, state.data->source_name +
                                                    ": breakpoints need a module that was loaded with "
                                                    "ModuleOptions::debuggable");
}

Value read(const wasm::BreakpointFrame& frame, ValueType type, std::int32_t place) {
  std::uint64_t word = 0;
  std::memcpy(&word, frame.stack_pointer + place, sizeof word);
  return {type, wasm::significant_bits(type, word)};
}

Status check(const wasm::BreakpointFrame& frame, std::string_view what, std::size_t index, std::size_t count,
             const ValueType* types, Value value) {
  const std::string place = std::string(what) + " " + std::to_string(index);
  if (index >= count) {
    return make_error(ErrorCode::InvalidArgument, "function " + frame.function_name + " has no " + place +
                                                      " here: it has " + std::to_string(count));
  }
  if (types[index] == value.type) return Ok{};
  return make_error(ErrorCode::InvalidArgument, place + " of function " + frame.function_name + " is " +
                                                    std::string(to_string(types[index])) + ", given " +
                                                    std::string(to_string(value.type)));
}

void write(const wasm::BreakpointFrame& frame, std::int32_t place, Value value) {
  const std::uint64_t word = wasm::significant_bits(value.type, value.bits);
  std::memcpy(frame.stack_pointer + place, &word, sizeof word);
}

const ValueType* operand_types(const wasm::BreakpointFrame& frame) {
  return frame.site.function.operand_types.data() + frame.site.first_operand;
}

}  // namespace

// --- BreakpointContext ---

const std::string& BreakpointContext::module() const {
  return frame_.instance.data().source_name;
}
std::uint32_t BreakpointContext::function() const {
  return frame_.site.function.function;
}
const std::string& BreakpointContext::function_name() const {
  return frame_.function_name;
}
std::uint32_t BreakpointContext::offset() const {
  return frame_.site.module_offset;
}
bool BreakpointContext::is_step() const {
  return frame_.is_step;
}

std::size_t BreakpointContext::locals() const {
  return frame_.site.function.locals.size();
}
Value BreakpointContext::local(std::size_t index) const {
  const wasm::baseline::DebugFunction& function = frame_.site.function;
  return read(frame_, function.locals[index], function.homes[index]);
}
Status BreakpointContext::set_local(std::size_t index, Value value) {
  const wasm::baseline::DebugFunction& function = frame_.site.function;
  if (Status fits = check(frame_, "local", index, locals(), function.locals.data(), value); !fits) return fits;
  write(frame_, function.homes[index], value);
  return Ok{};
}

std::size_t BreakpointContext::operands() const {
  return frame_.site.operands;
}
Value BreakpointContext::operand(std::size_t index) const {
  return read(frame_, operand_types(frame_)[index], frame_.site.function.slot(static_cast<std::uint32_t>(index)));
}
Status BreakpointContext::set_operand(std::size_t index, Value value) {
  if (Status fits = check(frame_, "operand", index, operands(), operand_types(frame_), value); !fits) return fits;
  write(frame_, frame_.site.function.slot(static_cast<std::uint32_t>(index)), value);
  return Ok{};
}

std::size_t BreakpointContext::globals() const {
  return frame_.instance.globals.size();
}
Value BreakpointContext::global(std::size_t index) const {
  const ValueType type = frame_.instance.data().globals[index].type.type;
  return {type, wasm::significant_bits(type, frame_.instance.globals[index]->bits[0])};
}
Status BreakpointContext::set_global(std::size_t index, Value value) {
  const std::string name = "global " + std::to_string(index);
  const wasm::ModuleData& data = frame_.instance.data();
  if (index >= globals()) return make_error(ErrorCode::InvalidArgument, data.source_name + " has no " + name);
  const GlobalType& type = data.globals[index].type;
  if (!type.is_mutable)
    return make_error(ErrorCode::InvalidArgument, name + " of " + data.source_name + " is immutable");
  if (type.type != value.type) {
    return make_error(ErrorCode::InvalidArgument, name + " of " + data.source_name + " is " +
                                                      std::string(to_string(type.type)) + ", given " +
                                                      std::string(to_string(value.type)));
  }
  frame_.instance.globals[index]->bits[0] = wasm::significant_bits(value.type, value.bits);
  return Ok{};
}

Memory BreakpointContext::memory() const {
  return Memory(&frame_.instance);
}
Instance BreakpointContext::instance() const {
  return Instance(&frame_.instance);
}

// --- Breakpoint ---

Result<Breakpoint> Breakpoint::set(const Module& module, const BreakpointPlace& place, BreakpointHandler handler) {
  const Result<wasm::Breakpoints*> breakpoints = breakpoints_of(module);
  if (!breakpoints) return breakpoints.error();
  Result<std::shared_ptr<wasm::ArmedBreakpoint>> armed = (*breakpoints)->set(place, std::move(handler));
  if (!armed) return std::move(armed).error();
  return Breakpoint(module.state(), std::move(*armed));
}

Result<std::vector<std::uint32_t>> Breakpoint::operations(const Module& module, const std::string& function) {
  const Result<wasm::Breakpoints*> breakpoints = breakpoints_of(module);
  if (!breakpoints) return breakpoints.error();
  return (*breakpoints)->operations(function);
}

Breakpoint::~Breakpoint() {
  (void)clear();
}

Breakpoint& Breakpoint::operator=(Breakpoint&& other) noexcept {
  if (this == &other) return *this;
  (void)clear();
  module_ = std::move(other.module_);
  armed_ = std::move(other.armed_);
  return *this;
}

Status Breakpoint::clear() {
  return armed_ ? module_->breakpoints->clear(*armed_) : Status(Ok{});
}

std::uint32_t Breakpoint::offset() const {
  return armed_->offset;
}
std::uint32_t Breakpoint::function() const {
  return armed_->function;
}
std::uint64_t Breakpoint::hits() const {
  return armed_->hits.load(std::memory_order_relaxed);
}

}  // namespace shunt::runtime
