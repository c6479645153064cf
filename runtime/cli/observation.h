// What --gdb, --perf-map, --jitdump and --flip-log ask for.
#pragma once

#include <memory>

#include "runtime/cli/options.h"
#include "runtime/cli/report.h"
#include "shunt/engine.h"

namespace shunt::cli {

// The engine of a run, observed as the options say: the process's, or one of the run's own if perf's map is to be
// written, because that wants anonymous code memory. Errors: those of Engine::create(), observe() and start_flip_log().
class RunEngine {
 public:
  static Result<RunEngine> make(const RunOptions& options);
  [[nodiscard]] Engine& get() const noexcept { return *engine_; }

 private:
  std::unique_ptr<Engine> own_;
  Engine* engine_ = nullptr;
};

// What the engine's flip log holds of the module's sites.
void add_flips(RunReport& report, const Engine& engine, const runtime::Module& module);

}  // namespace shunt::cli
