// Breakpoints in every function of a module, for tests of everything else: SHUNT_TEST_BREAKPOINTS, `entries` (at each
// function's first operation, so that all run in their debug versions), `operations` (at every operation that is
// executed, by steps), or empty: none.
#pragma once

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "runtime/wasm/module/module_state.h"
#include "shunt/runtime/breakpoint.h"

namespace shunt::test {

inline std::string breakpoints_under_test() {
  const char* const named = std::getenv("SHUNT_TEST_BREAKPOINTS");
  const std::string mode = named == nullptr ? "" : named;
  if (!mode.empty() && mode != "entries" && mode != "operations") {
    throw std::runtime_error("SHUNT_TEST_BREAKPOINTS: write entries or operations, not " + mode);
  }
  return mode;
}

inline std::vector<runtime::Breakpoint> breakpoints_in_every_function(const runtime::Module& module,
                                                                      runtime::BreakpointAction action) {
  std::vector<runtime::Breakpoint> breakpoints;
  const wasm::ModuleData& data = *module.state()->data;
  for (std::uint32_t function = data.imported_functions; function < data.functions.size(); ++function) {
    Result<runtime::Breakpoint> set = runtime::Breakpoint::set(
        module, {data.display_name(function), {}}, [action](runtime::BreakpointContext&) { return action; });
    if (!set && set.error().code() == ErrorCode::Unsupported) continue;  // its frame cannot be: calling it traps
    if (!set) throw std::runtime_error(set.error().message());
    breakpoints.push_back(std::move(*set));
  }
  return breakpoints;
}

// As SHUNT_TEST_BREAKPOINTS says; `module` was loaded as debuggable if it says anything.
inline std::vector<runtime::Breakpoint> breakpoints_under_test(const runtime::Module& module) {
  const std::string mode = breakpoints_under_test();
  if (mode.empty()) return {};
  return breakpoints_in_every_function(
      module, mode == "operations" ? runtime::BreakpointAction::Step : runtime::BreakpointAction::Resume);
}

}  // namespace shunt::test
