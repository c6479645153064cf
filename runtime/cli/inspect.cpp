#include <fmt/format.h>

#include "runtime/cli/commands.h"
#include "runtime/cli/exit_status.h"
#include "runtime/cli/flag_imports.h"
#include "runtime/cli/json_output.h"
#include "runtime/cli/messages.h"
#include "runtime/cli/module_file.h"
#include "runtime/cli/text_output.h"
#include "shunt/engine.h"
#include "shunt/runtime/flags.h"

namespace shunt::cli {

int inspect(const InspectOptions& options) {
  const Messages messages(options.json);
  Result<Engine*> engine = Engine::process();
  if (!engine) return messages.error(engine.error());
  Result<ModuleFile> file = read_module(options.module);
  if (!file) return messages.error(file.error());
  flags::FlagSet flags(**engine);
  Result<runtime::Module> module = runtime::Module::load(**engine, flags, file->bytes, {.name = options.module});
  if (!module) return messages.error(module.error());

  InspectReport report{.module = options.module, .imports = {}, .exports = module->exports(), .flags = {}};
  for (runtime::ImportType& import : module->imports()) {
    if (!is_flag(import)) {
      report.imports.push_back(std::move(import));
      continue;
    }
    const flags::ImportName name = flags::split_import_name(import.name);
    FlagWanted wanted{std::string(name.key), {}, reads_as(import)};
    if (name.variant) wanted.variant = std::string(*name.variant);
    report.flags.push_back(std::move(wanted));
  }
  if (options.json) {
    fmt::print("{}\n", json_inspect(report));
  } else {
    fmt::print("{}", text_inspect(report));
  }
  return exit_status::success;
}

}  // namespace shunt::cli
