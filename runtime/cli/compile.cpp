#include <fmt/format.h>

#include "runtime/cli/commands.h"
#include "runtime/cli/exit_status.h"
#include "runtime/cli/json_output.h"
#include "runtime/cli/messages.h"
#include "runtime/cli/module_file.h"
#include "runtime/cli/text_output.h"
#include "shunt/engine.h"
#include "shunt/runtime/flags.h"

namespace shunt::cli {

int compile(const CompileOptions& options) {
  const Messages messages(options.json);
  Result<Engine*> engine = Engine::process();
  if (!engine) return messages.error(engine.error());
  Result<ModuleFile> file = read_module(options.module);
  if (!file) return messages.error(file.error());
  CompileReport report{.module = options.module, .runs = options.runs, .fastest = {}};
  for (unsigned i = 0; i < options.runs; ++i) {
    flags::FlagSet flags(**engine);
    Result<runtime::Module> module =
        runtime::Module::load(**engine, flags, file->bytes, {.name = options.module, .tier = options.tier});
    if (!module) return messages.error(module.error());
    if (i == 0 || module->stats().total_ns() < report.fastest.total_ns()) report.fastest = module->stats();
  }
  if (options.json) {
    fmt::print("{}\n", json_compile(report));
  } else {
    fmt::print("{}", text_compile(report));
  }
  return exit_status::success;
}

}  // namespace shunt::cli
