#include <fmt/format.h>

#include <map>

#include "runtime/cli/commands.h"
#include "runtime/cli/exit_status.h"
#include "runtime/cli/flag_imports.h"
#include "runtime/cli/json_output.h"
#include "runtime/cli/messages.h"
#include "runtime/cli/module_file.h"
#include "runtime/cli/text_output.h"
#include "shunt/runtime/flag_file.h"

namespace shunt::cli {

int sites(const SitesOptions& options) {
  const Messages messages(options.json);
  Result<Engine*> engine = Engine::process();
  if (!engine) return messages.error(engine.error());
  Result<ModuleFile> file = read_module(options.module);
  if (!file) return messages.error(file.error());
  flags::FlagSet flags(**engine);
  if (!options.flags.empty()) {
    Result<flags::LoadReport> loaded = flags::load_file(flags, options.flags);
    if (!loaded) return messages.error(loaded.error());
  }
  Result<runtime::Module> module =
      runtime::Module::load(**engine, flags, file->bytes, {.name = options.module, .tier = options.tier});
  if (!module) return messages.error(module.error());

  std::map<std::string, std::string> reads;  // by import name
  for (const runtime::ImportType& import : module->imports()) {
    if (is_flag(import)) reads.emplace(import.name, reads_as(import));
  }
  SitesReport report{.module = options.module, .machine_code_bytes = module->stats().machine_code_bytes, .sites = {}};
  for (runtime::ModuleSite& site : module->sites(**engine)) {
    SiteReport described;
    // A demotable key has its states twice.
    const unsigned states = site.site.key->states() / (site.site.key->kind() == KeyKind::Demotable ? 2 : 1);
    for (unsigned state = 0; state < states; ++state) {
      described.instructions.push_back((*engine)->instruction(site.site, state));
    }
    described.now = (*engine)->instruction_now(site.site);
    described.reads = reads[site.flag];
    described.site = std::move(site);
    report.sites.push_back(std::move(described));
  }
  if (options.json) {
    fmt::print("{}\n", json_sites(report));
  } else {
    fmt::print("{}", text_sites(report));
  }
  return exit_status::success;
}

}  // namespace shunt::cli
