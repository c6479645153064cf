// Breakpoints in guests: a function of the host that is called in front of an operation, with the guest's locals,
// operand stack, globals and memory in reach.
//
//   auto module = Module::load(engine, flags, bytes, {.name = "guest.wasm", .debuggable = true});
//   auto breakpoint = Breakpoint::set(*module, {.function = "parse", .offset = 0x1a2b}, [](BreakpointContext& at) {
//     std::cout << at.local(0).as_i32() << '\n';
//     return BreakpointAction::Resume;
//   });
//
// While a function has a breakpoint, calls of it that begin run in a version with a site in front of each operation,
// made by the baseline compiler; the others of its module run in the baseline too. A call that was in progress goes on
// where it is, and is not stopped (docs/breakpoints.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shunt/error.h"
#include "shunt/runtime/instance.h"
#include "shunt/runtime/module.h"
#include "shunt/runtime/value.h"

namespace shunt::wasm {
struct ArmedBreakpoint;
struct BreakpointFrame;
class Breakpoints;
}  // namespace shunt::wasm

namespace shunt::runtime {

enum class BreakpointAction : std::uint8_t {
  Resume,
  // Resume, and call the same handler at the function's next operation: of this call, whatever it calls in between; or,
  // when it returns, of a call that is no deeper.
  Step,
  Stop,  // the call that the host made fails with ErrorCode::Interrupted, which names the place
};

// What a handler sees. Valid while it runs.
class BreakpointContext {
 public:
  BreakpointContext(const BreakpointContext&) = delete;
  BreakpointContext& operator=(const BreakpointContext&) = delete;

  [[nodiscard]] const std::string& module() const;         // ModuleOptions::name
  [[nodiscard]] std::uint32_t function() const;            // index
  [[nodiscard]] const std::string& function_name() const;  // "parse" or "function 12"
  [[nodiscard]] std::uint32_t offset() const;              // of the operation that is next, in the module's bytes
  [[nodiscard]] bool is_step() const;                      // it is here because a handler said Step

  // Parameters first. Precondition of local(): index < locals(). Errors of set_local(): InvalidArgument (no such local,
  // a value of another type).
  [[nodiscard]] std::size_t locals() const;
  [[nodiscard]] Value local(std::size_t index) const;
  Status set_local(std::size_t index, Value value);

  // The operand stack of this call, 0 at its bottom. As locals.
  [[nodiscard]] std::size_t operands() const;
  [[nodiscard]] Value operand(std::size_t index) const;
  Status set_operand(std::size_t index, Value value);

  // The globals of the instance, imports first. As locals; InvalidArgument also for one that is immutable.
  [[nodiscard]] std::size_t globals() const;
  [[nodiscard]] Value global(std::size_t index) const;
  Status set_global(std::size_t index, Value value);

  [[nodiscard]] Memory memory() const;  // empty if the instance has none
  // Its exports may be called, as by a host function.
  [[nodiscard]] Instance instance() const;

 private:
  friend class wasm::Breakpoints;
  explicit BreakpointContext(const wasm::BreakpointFrame& frame) : frame_(frame) {}
  const wasm::BreakpointFrame& frame_;
};

// Called on the guest's thread, on the host's stack, with the guest's frames waiting as for a host function; by several
// threads at a time if they run the function. May take as long as it likes, set and clear breakpoints, and stop guests.
// An exception ends the guest as a Trap. Kept until the breakpoint is cleared and the last call of it has returned.
using BreakpointHandler = std::function<BreakpointAction(BreakpointContext&)>;

struct BreakpointPlace {
  std::string function;                 // its name as messages have it, an export of it, or its index; empty: any
  std::optional<std::uint32_t> offset;  // of an operation, in the module's bytes; empty: the function's first

  // "parse", "parse:0x1a2b", ":0x1a2b", with decimal numbers too. Errors: InvalidArgument.
  static Result<BreakpointPlace> parse(std::string_view text);
};

// A breakpoint in all instances of a module, on every thread, from set() to clear() or its end. Movable. Of one
// breakpoint, not thread-safe; different ones are independent, and may be set and cleared by any thread while guests
// run. Keeps its module.
class Breakpoint {
 public:
  // From when it has returned, every call of the function that begins calls `handler` each time that it comes to the
  // operation. Blocks: compiles the function if it has no breakpoint yet, and commits. Errors: InvalidArgument (the
  // module was not loaded as `debuggable`; no such function; no operation begins there: the message names the nearest),
  // Unsupported (the function's frame is too large), and the engine's.
  static Result<Breakpoint> set(const Module& module, const BreakpointPlace& place, BreakpointHandler handler);

  // Where breakpoints of the function can stand: the offsets of its operations that can be reached, ascending. Errors
  // as set().
  static Result<std::vector<std::uint32_t>> operations(const Module& module, const std::string& function);

  Breakpoint() = default;  // none
  ~Breakpoint();           // clear(); what that returns is lost
  Breakpoint(Breakpoint&&) noexcept = default;
  Breakpoint& operator=(Breakpoint&& other) noexcept;

  // From when it has returned, who comes to the operation does not call the handler; calls in progress on other threads
  // go on. With its last breakpoint the function goes back to the version that it had; the other one is freed now if no
  // thread is in it (looks for some milliseconds), else by a later clear() of the module, or with it. Blocks. Nothing
  // to do for one that is cleared. Errors: the engine's.
  Status clear();

  [[nodiscard]] std::uint32_t offset() const;
  [[nodiscard]] std::uint32_t function() const;  // index
  // How often guests have come here. Thread-safe.
  [[nodiscard]] std::uint64_t hits() const;

 private:
  explicit Breakpoint(std::shared_ptr<const wasm::ModuleState> module, std::shared_ptr<wasm::ArmedBreakpoint> armed)
      : module_(std::move(module)), armed_(std::move(armed)) {}
  std::shared_ptr<const wasm::ModuleState> module_;
  std::shared_ptr<wasm::ArmedBreakpoint> armed_;
};

}  // namespace shunt::runtime
