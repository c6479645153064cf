// The only file with CLI11: it takes seconds to compile.
#include "runtime/cli/options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <utility>

#include "runtime/cli/exit_status.h"
#include "runtime/cli/invocation.h"
#include "runtime/cli/near_names.h"

namespace shunt::cli {
namespace {

constexpr const char* module_help = "WebAssembly module: .wasm, or text (.wat)";
constexpr const char* json_help = "Print for machines: one JSON document; errors as JSON too";

constexpr const char* main_footer = R"(Examples:
  shunt run guest.wasm --flags flags.json --watch    run a program; flip its flags by editing the file
  shunt run library.wasm --invoke add 1 -2           call an export
  shunt sites guest.wasm                             show what a flip rewrites
  shunt flags eval --flags flags.json --key theme    tell what a flag is, and why
Each command has its own --help.

Exit status: the guest's own; 2 wrong usage, 3 bad module, 4 bad flags, 124 time over, 134 trap.)";

constexpr const char* run_footer = R"(Examples:
  shunt run hello.wat
  shunt run log.wasm --dir /var/log::/logs -- /logs/access.log
  shunt run log.wasm --flags flags.json --watch --threads 4
  shunt run math.wasm --invoke hypot -3.5 inf

Without --invoke, the export `_start` runs. With it, `_initialize` runs first if the module has it, and the results are printed one a
line. Numbers: 42, -1, 0xff, 1.5e3, 0x1p-3, -inf, nan, nan:0x1; references: null.
With --threads, each thread runs an instance of its own; all share the compiled code and the flags. The first exit status other than 0
ends the program.

Exit status: the guest's own; 2 wrong usage, 3 bad module, 4 bad flags, 124 time over, 134 trap.)";

constexpr const char* compile_footer = R"(Example:
  shunt compile guest.wasm --runs 10                 the fastest of ten)";

constexpr const char* sites_footer = R"(Example:
  shunt sites guest.wasm --flags flags.json          with the flags' present states)";

constexpr const char* inspect_footer = R"(Example:
  shunt inspect guest.wasm --json | jq '.flags[].key')";

constexpr const char* flags_footer = R"(Examples:
  shunt flags eval --flags flags.json --key theme --context '{"targetingKey": "me", "email": "me@example.com"}'
  shunt run guest.wasm --flags flags.json --control /run/user/1000/shunt/guest
  shunt flags set fast-scan true --socket /run/user/1000/shunt/guest

Exit status of eval: 0 with a value or without, 1 FLAG_NOT_FOUND, TYPE_MISMATCH or GENERAL, 2 INVALID_CONTEXT, 4 PARSE_ERROR.)";

constexpr const char* context_help = "The evaluation context that rules are evaluated for: an object";

struct Parser {
  CLI::App app{
      "shunt runs WebAssembly programs whose feature flags cost one instruction while they are off, and flip while "
      "they run."};
  RunOptions run;
  CompileOptions compile;
  SitesOptions sites;
  InspectOptions inspect;
  FlagsOptions flags;
  std::vector<std::string> positional;  // of run: the module, then arguments of the export
  std::vector<std::string> directories, environment, limits;
  std::string timeout;
  std::string invoke_shown;  // --invoke is taken out before; here for the help
  CLI::App* run_command = nullptr;
  CLI::App* compile_command = nullptr;
  CLI::App* sites_command = nullptr;
  CLI::App* inspect_command = nullptr;
  CLI::App* flags_command = nullptr;

  Parser() {
    app.name("shunt");
    app.require_subcommand(1);
    app.set_version_flag("--version", std::string("shunt ") + SHUNT_VERSION);
    app.footer(main_footer);
    add_run();
    compile_command = app.add_subcommand("compile", "Compile a module and tell what it took");
    compile_command->add_option("MODULE", compile.module, module_help)->required();
    compile_command->add_option("--runs", compile.runs, "Compile so many times, and report the fastest")
        ->type_name("N")
        ->check(CLI::Range(1U, 1'000'000U));
    add_tier(*compile_command, compile.tier);
    compile_command->add_flag("--json", compile.json, json_help);
    compile_command->footer(compile_footer);
    sites_command =
        app.add_subcommand("sites", "List a module's patch sites, with their instructions while off and while on");
    sites_command->add_option("MODULE", sites.module, module_help)->required();
    sites_command->add_option("--flags", sites.flags, "Flags in flagd's JSON format")->type_name("FILE");
    add_tier(*sites_command, sites.tier);
    sites_command->add_flag("--json", sites.json, json_help);
    sites_command->footer(sites_footer);
    inspect_command = app.add_subcommand("inspect", "List a module's imports and exports, and the flags that it wants");
    inspect_command->add_option("MODULE", inspect.module, module_help)->required();
    inspect_command->add_flag("--json", inspect.json, json_help);
    inspect_command->footer(inspect_footer);
    add_flags();
  }

  void add_flags() {
    using Action = FlagsOptions::Action;
    flags_command = app.add_subcommand("flags", "Evaluate a flag; list, get, set and watch those of a running process");
    flags_command->require_subcommand(1);
    flags_command->footer(flags_footer);
    const auto add = [this](const char* name, Action action, const char* help) {
      CLI::App* const command = flags_command->add_subcommand(name, help);
      command->callback([this, action] { flags.action = action; });
      command->add_flag("--json", flags.json, json_help);
      if (action != Action::Eval) {
        command->add_option("--socket", flags.socket, "That the process was given by --control")
            ->type_name("PATH")
            ->required();
      }
      return command;
    };
    CLI::App& eval = *add("eval", Action::Eval, "Tell what a flag of a file is for a context, and why");
    eval.add_option("--flags", flags.flags, "Flags in flagd's JSON format")->type_name("FILE")->required();
    eval.add_option("--key", flags.key, "The flag")->type_name("KEY")->required();
    eval.add_option("--context", flags.context, context_help)->type_name("JSON");
    eval.add_option("--type", flags.type, "That the value must have: boolean, integer, number, string, object")
        ->type_name("TYPE")
        ->check(CLI::IsMember({"boolean", "integer", "number", "string", "object"}));
    add("list", Action::List, "List the flags of a process");
    add("get", Action::Get, "Tell what a flag of a process is")->add_option("KEY", flags.key, "The flag")->required();
    CLI::App& set = *add("set", Action::Set, "Give a flag of a process a value, until its file is loaded again");
    set.add_option("KEY", flags.key, "The flag")->required();
    set.add_option("VALUE", flags.value, "JSON, or text; behind '--' if it begins with '-'");
    add("watch", Action::Watch, "Tell each change of a process's flags, until it ends");
  }

  static void add_tier(CLI::App& command, runtime::Tier& tier) {
    command
        .add_option_function<std::string>(
            "--tier", [&tier](const std::string& name) { tier = *runtime::parse_tier(name); },
            "Compilers: baseline (at once; the default), optimising (each function again, by LLVM, before the first "
            "call), auto (those that become hot, in the background)")
        ->type_name("TIER")
        ->check([](const std::string& name) {
          return runtime::parse_tier(name) ? std::string()
                                           : fmt::format("'{}' is none of: baseline, optimising, auto", name);
        });
  }

  void add_run() {
    run_command = app.add_subcommand("run", "Run a module");
    CLI::App& command = *run_command;
    command.add_option("MODULE", positional, module_help)->type_name("")->expected(0, -1);
    command.add_option("--invoke", invoke_shown, "Call this export with these arguments")->type_name("EXPORT [ARG...]");
    command.add_option("--flags", run.flags, "Feature flags in flagd's JSON format")->type_name("FILE");
    command.add_option("--context", run.context, context_help)->type_name("JSON");
    command
        .add_option(
            "--control", run.control,
            "Let 'shunt flags' list, get, set and watch the flags through this socket, which only its owner can open")
        ->type_name("PATH");
    command.add_flag("--watch", run.watch, "Load the flag file again each time that it changes");
    command
        .add_option("--flip-limit", run.flip_limit,
                    "Read a flag as data while it changes more often than N times a second: its changes are cheap "
                    "then, its reads are not")
        ->type_name("N")
        ->check(CLI::Range(1U, 1'000'000'000U));
    command.add_option("--threads", run.threads, "Run so many instances, each on its own thread")
        ->type_name("N")
        ->check(CLI::Range(1U, 1024U));
    add_tier(command, run.tier);
    const auto list = [&](const char* name, std::vector<std::string>& values, const char* type, const char* help) {
      command.add_option(name, values, help)
          ->type_name(type)
          ->expected(1)
          ->allow_extra_args(false)
          ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    };
    list("--dir", directories, "HOST[::GUEST]", "Let the guest use this directory, under the name GUEST");
    list("--env", environment, "NAME[=VALUE]",
         "Set a variable of the guest's environment; without VALUE, to the host's own");
    list("--break", run.breakpoints, "FUNCTION[:BYTE]",
         "Report the guest's values each time that it comes here (the function's first operation, or the one at this "
         "byte of the module); on a terminal, ask how to go on");
    list("-W", limits, "KEY=BYTES",
         "Limits: max-wasm-stack (default 1 MiB), max-memory-size (of each memory; default 4 GiB)");
    command
        .add_option("--timeout", timeout,
                    "Stop the guests when so much time has passed: 2s, 500ms; ends with status 124")
        ->type_name("TIME");
    list("--trace", run.trace, "PATTERN",
         "Trace the calls of functions with such a name: parse*, or func[12]; see --trace-out");
    command.add_option("--trace-from", run.trace_from, "Trace by the patterns in FILE, one a line, as they change")
        ->type_name("FILE");
    command
        .add_option("--trace-out", run.trace_out,
                    "Where the trace goes (default trace.json), for ui.perfetto.dev or chrome://tracing")
        ->type_name("FILE");
    command.add_flag("--gdb", run.gdb, "Tell gdb the names of the guest's functions");
    command.add_flag("--perf-map", run.perf_map, "Tell perf their names by /tmp/perf-PID.map");
    command
        .add_option("--jitdump", run.jitdump_directory,
                    "Write names and instructions to DIRECTORY/jit-PID.dump, for perf inject --jit")
        ->type_name("DIRECTORY")
        ->each([this](const std::string&) { run.jitdump = true; });
    command.add_flag("--flip-log", run.flip_log, "Tell at the end which sites flips have rewritten");
    command.add_flag("--stats", run.stats, "Tell at the end what compiling and flipping took, on standard error");
    command.add_flag("--json", run.json,
                     "Print results and statistics as one JSON document, the last line of standard output");
    command.footer(run_footer);
  }
};

int wrong(std::string_view what, std::string_view command) {
  fmt::print(stderr, "shunt: {}\nshunt: see 'shunt {}{}--help'\n", what, command, command.empty() ? "" : " ");
  return exit_status::usage;
}

// Each of these returns what is wrong, or nothing.

std::optional<std::string> take_directories(const std::vector<std::string>& words, RunOptions& run) {
  for (const std::string& word : words) {
    const std::size_t separator = word.find("::");
    runtime::WasiDirectory directory{word.substr(0, separator), word};
    if (separator != std::string::npos) directory.guest_path = word.substr(separator + 2);
    if (directory.host_path.empty() || directory.guest_path.empty()) {
      return fmt::format("--dir {}: write HOST::GUEST, or one directory", word);
    }
    run.directories.push_back(std::move(directory));
  }
  return {};
}

std::optional<std::string> take_environment(const std::vector<std::string>& words, RunOptions& run) {
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    if (equals == 0 || word.empty()) return fmt::format("--env {}: write NAME=VALUE", word);
    if (equals != std::string::npos) {
      run.environment.push_back(word);
    } else if (const char* value = std::getenv(word.c_str())) {
      run.environment.push_back(fmt::format("{}={}", word, value));
    } else {
      return fmt::format("--env {}: the host has no such variable; write {}=VALUE", word, word);
    }
  }
  return {};
}

std::optional<std::string> take_limits(const std::vector<std::string>& words, RunOptions& run) {
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    const std::string key = word.substr(0, equals);
    std::uint64_t bytes = 0;
    if (equals == std::string::npos || !CLI::detail::integral_conversion(word.substr(equals + 1), bytes) ||
        bytes == 0) {
      return fmt::format("-W {}: write KEY=BYTES", word);
    }
    if (key == "max-wasm-stack") {
      run.store.stack_bytes = bytes;
    } else if (key == "max-memory-size") {
      run.store.max_memory_bytes = bytes;
    } else {
      return fmt::format("-W {}: no such limit{}", key,
                         suggestion(key, std::vector<std::string>{"max-wasm-stack", "max-memory-size"}));
    }
  }
  return {};
}

std::optional<std::string> take_timeout(const std::string& word, RunOptions& run) {
  if (word.empty()) return {};
  constexpr std::array<std::pair<std::string_view, double>, 4> units = {
      {{"ms", 1e6}, {"us", 1e3}, {"s", 1e9}, {"m", 60e9}}};
  for (const auto& [unit, nanoseconds] : units) {
    if (!word.ends_with(unit)) continue;
    double number = 0;
    constexpr double longest = 1e17;  // three years
    if (!CLI::detail::lexical_cast(word.substr(0, word.size() - unit.size()), number) || !(number > 0) ||
        number * nanoseconds > longest) {
      break;
    }
    run.timeout = std::chrono::nanoseconds(std::max<std::int64_t>(1, static_cast<std::int64_t>(number * nanoseconds)));
    return {};
  }
  return fmt::format("--timeout {}: write a time: 2s, 500ms, 1.5m", word);
}

std::optional<std::string> take_words(const Invocation& invocation, std::vector<std::string> positional,
                                      RunOptions& run) {
  run.invoke = invocation.invoke;
  run.arguments = invocation.arguments;
  run.guest_arguments = invocation.guest_arguments;
  if (positional.empty() && run.invoke && !run.arguments.empty()) {
    // `run --invoke EXPORT MODULE ARG...`, as wasmtime writes it.
    positional = std::move(run.arguments);
    run.arguments.clear();
  }
  if (positional.empty()) return "run: name a module";
  run.module = positional.front();
  if (run.invoke && run.invoke->empty()) return "--invoke: name an export";
  if (positional.size() == 1) return {};
  if (!run.invoke) {
    return fmt::format("run: unexpected '{}' after the module; the guest's own arguments follow '--'", positional[1]);
  }
  run.arguments.insert(run.arguments.end(), positional.begin() + 1, positional.end());
  return {};
}

std::optional<std::string> finish_run(const Invocation& invocation, Parser& parser) {
  RunOptions& run = parser.run;
  if (auto what = take_words(invocation, parser.positional, run)) return what;
  if (auto what = take_directories(parser.directories, run)) return what;
  if (auto what = take_environment(parser.environment, run)) return what;
  if (auto what = take_limits(parser.limits, run)) return what;
  if (auto what = take_timeout(parser.timeout, run)) return what;
  if (run.trace_out != RunOptions().trace_out && run.trace.empty() && run.trace_from.empty()) {
    return "--trace-out: name what to trace with --trace or --trace-from";
  }
  if (run.watch && run.flags.empty()) return "--watch: name the file to watch with --flags";
  return {};
}

std::optional<std::string> finish_flags(const Invocation& invocation, FlagsOptions& flags) {
  if (invocation.invoke) return "flags: --invoke belongs to 'shunt run'";
  const bool sets = flags.action == FlagsOptions::Action::Set;
  if (sets && flags.value.empty() && invocation.guest_arguments.size() == 1) {
    flags.value = invocation.guest_arguments.front();
  } else if (invocation.has_guest_arguments) {
    return "flags: '--' stands before a VALUE of 'flags set' alone";
  } else if (sets && flags.value.empty()) {
    return "flags set: name the VALUE; \"\" is the empty string";
  }
  return {};
}

// The parser's words for an option or command that it does not know, with what may have been meant.
std::string explain(const CLI::ParseError& error, const Parser& parser, const std::vector<std::string>& words) {
  const CLI::App* command = &parser.app;
  while (!command->get_subcommands().empty()) command = command->get_subcommands().front();
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr ||
      dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
    std::vector<std::string> known;
    for (const CLI::Option* option : command->get_options()) {
      if (!option->get_positional()) known.push_back(option->get_name());
    }
    const bool wants_command = command == &parser.app || command == parser.flags_command;
    if (wants_command) {
      for (const CLI::App* candidate : command->get_subcommands([](const CLI::App*) { return true; })) {
        known.push_back(candidate->get_name());
      }
    }
    for (const std::string& word : words) {
      if (word == command->get_name() || (command != &parser.app && word == command->get_parent()->get_name()))
        continue;
      const std::string name = word.substr(0, word.find('='));
      const bool unknown = std::ranges::find(known, name) == known.end();
      if (command == &parser.app && (word.ends_with(".wasm") || word.ends_with(".wat"))) {
        return fmt::format("no command '{}'; did you mean 'shunt run {}'?", word, word);
      }
      if (wants_command && unknown) return fmt::format("no command '{}'{}", word, suggestion(word, known));
      if (name.starts_with("-") && unknown) {
        return fmt::format("{}: no option '{}'{}", command->get_name(), name, suggestion(name, known));
      }
    }
  }
  return error.what();
}

}  // namespace

std::variant<Command, Ended> parse_command_line(int argc, const char* const* argv) {
  Parser parser;
  const Invocation invocation = split_command_line(argc, argv);
  std::vector<std::string> reversed(invocation.options.rbegin(), invocation.options.rend());  // as CLI11 wants them
  try {
    parser.app.parse(std::move(reversed));
  } catch (const CLI::Success& shown) {
    return Ended{parser.app.exit(shown)};
  } catch (const CLI::ParseError& error) {
    const auto chosen = parser.app.get_subcommands();
    return Ended{wrong(explain(error, parser, invocation.options), chosen.empty() ? "" : chosen.front()->get_name())};
  }
  const std::string command = parser.app.get_subcommands().front()->get_name();
  if (parser.run_command->parsed()) {
    if (auto what = finish_run(invocation, parser)) return Ended{wrong(*what, command)};
    return Command{std::move(parser.run)};
  }
  if (parser.flags_command->parsed()) {
    if (auto what = finish_flags(invocation, parser.flags)) return Ended{wrong(*what, command)};
    return Command{std::move(parser.flags)};
  }
  if (invocation.invoke || invocation.has_guest_arguments) {
    return Ended{
        wrong(fmt::format("{}: {} belongs to 'shunt run'", command, invocation.invoke ? "--invoke" : "'--'"), command)};
  }
  if (parser.compile_command->parsed()) return Command{std::move(parser.compile)};
  if (parser.sites_command->parsed()) return Command{std::move(parser.sites)};
  return Command{std::move(parser.inspect)};
}

}  // namespace shunt::cli
