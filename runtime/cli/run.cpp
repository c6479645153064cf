#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>

#include "runtime/cli/breakpoints.h"
#include "runtime/cli/commands.h"
#include "runtime/cli/exit_status.h"
#include "runtime/cli/guest.h"
#include "runtime/cli/json_output.h"
#include "runtime/cli/messages.h"
#include "runtime/cli/module_file.h"
#include "runtime/cli/observation.h"
#include "runtime/cli/text_output.h"
#include "runtime/cli/tracing.h"
#include "shunt/runtime/flag_control.h"
#include "shunt/runtime/flag_file.h"

namespace shunt::cli {
namespace {

using Clock = std::chrono::steady_clock;

// The flags of a run: from a file, watched or not, or none.
class RunFlags {
 public:
  RunFlags(Engine& engine, const RunOptions& options, const Messages& messages)
      : options_(options), messages_(messages), set_(engine) {}

  [[nodiscard]] flags::FlagSet& set() { return set_; }

  Status load() {
    if (!options_.context.empty()) {
      Result<flags::LoadReport> set = set_.set_context(options_.context);
      if (!set) return make_error(set.error().code(), "--context: " + set.error().message());
    }
    if (!options_.control.empty()) {
      auto control = flags::FlagControl::start(set_, options_.control);
      if (!control) return make_error(control.error().code(), "--control: " + control.error().message());
      control_ = std::move(*control);
    }
    if (options_.flags.empty()) return Ok{};
    if (::access(options_.flags.c_str(), R_OK) != 0) {
      return make_error(ErrorCode::InvalidArgument,
                        fmt::format("{}: cannot read the flag file: {}", options_.flags, std::strerror(errno)));
    }
    const Clock::time_point begin = Clock::now();
    Result<flags::LoadReport> report = options_.watch ? watch() : flags::load_file(set_, options_.flags);
    load_ns_ = static_cast<std::uint64_t>(std::chrono::nanoseconds(Clock::now() - begin).count());
    if (!report) return report.error();
    const std::scoped_lock hold(lock_);
    totals_.add(report);
    for (const std::string& warning : report->warnings) messages_.warning(warning);
    return Ok{};
  }

  // About flags that the module wants and that are not there.
  void warn() {
    for (const std::string& warning : set_.take_warnings()) messages_.warning(warning);
  }

  void stop_watching() {
    control_.reset();
    source_.reset();
  }

  void add_to(RunReport& report) const {
    const std::scoped_lock hold(lock_);
    report.flags = totals_;
    report.flags_ns = load_ns_;
  }

 private:
  Result<flags::LoadReport> watch() {
    auto started =
        flags::FileSource::start(set_, options_.flags, [this](const flags::Reload& reload) { reloaded(reload); });
    if (!started) return started.error();
    source_ = std::move(*started);
    const std::string mechanism = source_->mechanism();
    if (mechanism != "inotify") messages_.warning(fmt::format("{}: watched by {}", options_.flags, mechanism));
    return source_->first_load();
  }

  void reloaded(const flags::Reload& reload) {
    messages_.reload(options_.flags, reload);
    if (reload.result) {
      for (const std::string& warning : reload.result->warnings) messages_.warning(warning);
      for (const std::string& key : reload.result->demoted) {
        messages_.warning(
            fmt::format("{}: flag '{}' changes more often than {} times a second: it is read as data until it is calm",
                        options_.flags, key, options_.flip_limit));
      }
      warn();
    }
    const std::scoped_lock hold(lock_);
    totals_.add(reload.result);
  }

  const RunOptions& options_;
  const Messages& messages_;
  flags::FlagSet set_;
  std::uint64_t load_ns_ = 0;
  mutable std::mutex lock_;  // protects totals_
  FlagTotals totals_;
  std::unique_ptr<flags::FlagControl> control_;
  std::unique_ptr<flags::FileSource> source_;  // ends first: its thread uses all of the above
};

void show(const RunReport& report, const RunOptions& options) {
  if (options.json) {
    fmt::print("{}\n", json_run(report));
  } else {
    fmt::print("{}", text_results(report));
    if (options.stats) fmt::print(stderr, "{}", text_stats(report));
    if (options.flip_log) fmt::print(stderr, "{}", text_flips(report));
  }
  std::fflush(stdout);
}

void show_errors(const CrewOutcome& crew, const Messages& messages) {
  for (std::size_t i = 0; i < crew.threads.size(); ++i) {
    const std::optional<GuestOutcome>& thread = crew.threads[i];
    if (!thread || !thread->error) continue;
    messages.error(*thread->error, thread->status, crew.threads.size() == 1 ? "" : fmt::format("thread {}: ", i));
  }
}

}  // namespace

int run(const RunOptions& options) {
  const Messages messages(options.json);
  Result<RunEngine> run_engine = RunEngine::make(options);
  if (!run_engine) return messages.error(run_engine.error());
  Engine& engine = run_engine->get();
  Result<ModuleFile> file = read_module(options.module);
  if (!file) return messages.error(file.error());
  RunFlags flags(engine, options, messages);
  if (Status loaded = flags.load(); !loaded) return messages.error(loaded.error());
  Result<runtime::Module> module = runtime::Module::load(engine, flags.set(), file->bytes,
                                                         {.name = options.module,
                                                          .tier = options.tier,
                                                          .traceable = RunTrace::is_wanted(options),
                                                          .debuggable = !options.breakpoints.empty()});
  if (!module) return messages.error(module.error());
  flags.warn();
  Result<GuestCall> call = plan_call(*module, options);
  if (!call) return messages.error(call.error());

  RunTrace trace(options, messages);
  if (RunTrace::is_wanted(options)) {
    if (Status started = trace.start(*module); !started) return messages.error(started.error());
  }
  const Result<std::vector<runtime::Breakpoint>> breakpoints = set_breakpoints(*module, options);
  if (!breakpoints) return messages.error(breakpoints.error());

  const CrewOutcome crew = run_crew(options.threads, [&] { return run_guest(*module, *call, options); });
  flags.stop_watching();  // also when guests still run: what it has begun to tell is told whole
  trace.finish();
  show_errors(crew, messages);
  RunReport report{
      .module = options.module, .with_stats = options.stats, .compile = module->stats(), .read_ns = file->read_ns};
  report.threads = crew.threads;
  if (crew.failed) report.status = crew.threads[*crew.failed]->status;
  flags.add_to(report);
  report.engine = engine.stats();
  report.tiers = module->tier_stats();
  report.demoted = flags.set().demoted();
  if (options.flip_log) add_flips(report, engine, *module);
  show(report, options);
  if (crew.running) {
    // Other threads are in the guest's code: nothing that they use may end.
    std::fflush(stderr);
    std::_Exit(report.status);
  }
  return report.status;
}

}  // namespace shunt::cli
