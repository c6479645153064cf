#include "runtime/cli/observation.h"

#include <map>
#include <utility>

namespace shunt::cli {
namespace {

constexpr std::size_t flip_log_records = 4096;

}  // namespace

Result<RunEngine> RunEngine::make(const RunOptions& options) {
  RunEngine made;
  const EngineOptions wanted{.flip_limit = options.flip_limit, .anonymous_code = options.perf_map};
  if (options.perf_map) {
    Result<std::unique_ptr<Engine>> own = Engine::create(wanted);
    if (!own) return std::move(own).error();
    made.own_ = std::move(*own);
    made.engine_ = made.own_.get();
  } else {
    Result<Engine*> process = options.flip_limit != 0 ? Engine::make_process(wanted) : Engine::process();
    if (!process) return std::move(process).error();
    made.engine_ = *process;
  }
  if (options.gdb || options.perf_map || options.jitdump) {
    ObserveOptions observe{.perf_map = options.perf_map, .jitdump = options.jitdump, .gdb = options.gdb};
    observe.jitdump_directory = options.jitdump_directory;
    if (Status status = made.engine_->observe(observe); !status) return std::move(status).error();
  }
  if (options.flip_log) {
    if (Status status = made.engine_->start_flip_log(flip_log_records); !status) return std::move(status).error();
  }
  return made;
}

void add_flips(RunReport& report, const Engine& engine, const runtime::Module& module) {
  std::map<const std::uint8_t*, runtime::ModuleSite> sites;
  for (runtime::ModuleSite& site : module.sites(engine)) sites.emplace(site.site.address, std::move(site));
  const FlipLog log = engine.flip_log();
  report.with_flips = true;
  report.flips_dropped = log.dropped;
  for (const FlipRecord& record : log.records) {
    const auto site = sites.find(record.site);
    if (site == sites.end()) continue;  // the log's own
    report.flips.push_back({record, site->second.function_name, site->second.code_offset});
  }
}

}  // namespace shunt::cli
