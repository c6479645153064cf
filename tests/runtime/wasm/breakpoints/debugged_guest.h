// Guests whose modules take breakpoints.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/wasm/breakpoints/breakpoints.h"
#include "runtime/wasm/instance/instance_state.h"
#include "shunt/runtime/breakpoint.h"
#include "tests/runtime/wasm/instance/guest_fixture.h"

namespace shunt::test {

using runtime::Breakpoint;
using runtime::BreakpointAction;
using runtime::BreakpointContext;
using runtime::BreakpointHandler;
using runtime::BreakpointPlace;

inline BreakpointAction resume(BreakpointContext&) {
  return BreakpointAction::Resume;
}

class DebuggedGuest : public GuestTest {
 protected:
  Module load_debuggable(std::string_view text) {
    const std::vector<std::uint8_t> bytes = must(runtime::assemble(text, "m.wat"));
    return must(Module::load(*engine, *flags, bytes, {.name = "m.wat", .tier = tier_under_test(), .debuggable = true}));
  }
  // The n-th operation that can be reached, by offset.
  static std::uint32_t offset_of(const Module& module, const std::string& function, std::size_t operation) {
    return must(Breakpoint::operations(module, function)).at(operation);
  }
  static Breakpoint at(const Module& module, const std::string& function, std::size_t operation,
                       BreakpointHandler handler) {
    return must(Breakpoint::set(module, {function, offset_of(module, function, operation)}, std::move(handler)));
  }
};

}  // namespace shunt::test
