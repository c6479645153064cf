// `shunt run --break`: reports each place where a guest stops, and asks on a terminal how it goes on.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/cli/options.h"
#include "shunt/error.h"
#include "shunt/runtime/breakpoint.h"

namespace shunt::cli {

// Sets the breakpoints that the options name; they last as long as what is returned. On each hit, a report goes to
// standard error; where that and standard input are terminals, the answer is read from there, else the guest resumes.
// Errors: those of Breakpoint::set().
Result<std::vector<runtime::Breakpoint>> set_breakpoints(const runtime::Module& module, const RunOptions& options);

// For people: several lines, each with a newline. For machines: one line.
[[nodiscard]] std::string text_breakpoint(const runtime::BreakpointContext& at);
[[nodiscard]] std::string json_breakpoint(const runtime::BreakpointContext& at);

// What an answer means: "c" or "continue" (also nothing), "s" or "step", "q" or "quit". Empty: none of them.
[[nodiscard]] std::optional<runtime::BreakpointAction> parse_answer(std::string_view line);

}  // namespace shunt::cli
