#include "runtime/cli/breakpoints.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <utility>

#include "runtime/cli/values.h"

namespace shunt::cli {
namespace {

using runtime::BreakpointAction;
using runtime::BreakpointContext;

// A byte at a time: what follows the line is for the guest. False: there is none.
bool read_line(std::string& line) {
  line.clear();
  for (;;) {
    char next = 0;
    const ssize_t count = ::read(STDIN_FILENO, &next, 1);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    if (next == '\n') return true;
    line += next;
  }
}

BreakpointAction ask() {
  std::string line;
  for (;;) {
    fmt::print(stderr, "continue, step or quit? ");
    if (!read_line(line)) return BreakpointAction::Stop;
    if (const std::optional<BreakpointAction> action = parse_answer(line)) return *action;
    fmt::print(stderr, "'{}' is none of them\n", line);
  }
}

void put(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
}

nlohmann::json json_value(const runtime::Value& value) {
  return {{"type", runtime::to_string(value.type)}, {"value", format_value(value)}};
}

}  // namespace

std::string text_breakpoint(const BreakpointContext& at) {
  std::string text = fmt::format("shunt: {} in function {} at byte {:#06x} of {}\n",
                                 at.is_step() ? "step" : "breakpoint", at.function_name(), at.offset(), at.module());
  const auto line = [&](std::string_view what, std::size_t index, const runtime::Value& value) {
    text += fmt::format("  {:<12} {:<9} {}\n", fmt::format("{} {}", what, index), runtime::to_string(value.type),
                        format_value(value));
  };
  for (std::size_t i = 0; i < at.locals(); ++i) line("local", i, at.local(i));
  for (std::size_t i = 0; i < at.operands(); ++i) line("operand", i, at.operand(i));
  return text;
}

std::string json_breakpoint(const BreakpointContext& at) {
  nlohmann::json locals = nlohmann::json::array(), operands = nlohmann::json::array();
  for (std::size_t i = 0; i < at.locals(); ++i) locals.push_back(json_value(at.local(i)));
  for (std::size_t i = 0; i < at.operands(); ++i) operands.push_back(json_value(at.operand(i)));
  const nlohmann::json event = {{"event", at.is_step() ? "step" : "breakpoint"},
                                {"module", at.module()},
                                {"function", at.function()},
                                {"function_name", at.function_name()},
                                {"module_offset", at.offset()},
                                {"locals", locals},
                                {"operands", operands}};
  return event.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
}

std::optional<BreakpointAction> parse_answer(std::string_view line) {
  if (line.empty() || line == "c" || line == "continue") return BreakpointAction::Resume;
  if (line == "s" || line == "step") return BreakpointAction::Step;
  if (line == "q" || line == "quit") return BreakpointAction::Stop;
  return std::nullopt;
}

Result<std::vector<runtime::Breakpoint>> set_breakpoints(const runtime::Module& module, const RunOptions& options) {
  const bool asks = !options.json && ::isatty(STDIN_FILENO) == 1 && ::isatty(STDERR_FILENO) == 1;
  const auto one_at_a_time = std::make_shared<std::mutex>();
  const auto handler = [json = options.json, asks, one_at_a_time](BreakpointContext& at) {
    const std::scoped_lock hold(*one_at_a_time);
    put(json ? json_breakpoint(at) : text_breakpoint(at));
    return asks ? ask() : BreakpointAction::Resume;
  };
  std::vector<runtime::Breakpoint> breakpoints;
  for (const std::string& text : options.breakpoints) {
    const Result<runtime::BreakpointPlace> place = runtime::BreakpointPlace::parse(text);
    if (!place) return place.error();
    Result<runtime::Breakpoint> breakpoint = runtime::Breakpoint::set(module, *place, handler);
    if (!breakpoint) return std::move(breakpoint).error();
    breakpoints.push_back(std::move(*breakpoint));
  }
  return breakpoints;
}

}  // namespace shunt::cli
