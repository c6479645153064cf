#include "runtime/wasm/tracing/module_tracing.h"

#include <algorithm>
#include <utility>

#include "runtime/wasm/module/module_state.h"

namespace shunt::wasm {

std::deque<StaticKey>& ModuleTracing::prepare(const ModuleData& module) {
  imported_ = module.imported_functions;
  for (std::size_t i = imported_; i < module.functions.size(); ++i) keys_.emplace_back("shunt.trace");
  hosts_ = std::vector<std::atomic<bool>>(imported_);
  return keys_;
}

std::shared_ptr<TraceLog> ModuleTracing::log() const {
  const std::scoped_lock hold(mutex_);
  return log_;
}

Status ModuleTracing::set(const ModuleState& module, const std::shared_ptr<TraceLog>& log, std::uint16_t number,
                          std::span<const std::uint32_t> functions) {
  const std::scoped_lock one_at_a_time(switching_);
  const std::shared_ptr<TraceLog> before = this->log();
  if (before != nullptr && before != log) {
    return make_error(ErrorCode::InvalidArgument,
                      module.data->source_name + ": another tracer traces it: that has to stop first");
  }
  if (functions.empty()) return before == nullptr ? Status(Ok{}) : end(module);
  if (before == nullptr) return begin(module, log, number, functions);
  return switch_to(module, functions);
}

Status ModuleTracing::begin(const ModuleState& module, const std::shared_ptr<TraceLog>& log, std::uint16_t number,
                            std::span<const std::uint32_t> functions) {
  if (module.tiers) {
    if (Status held = module.tiers->hold_in_baseline(); !held) return held;
  }
  aim(log, log->id << 16 | number);
  Status switched = switch_to(module, functions);
  if (switched) return switched;
  aim(nullptr, 0);
  if (module.tiers) (void)module.tiers->let_optimise();  // the first error is told
  return switched;
}

Status ModuleTracing::end(const ModuleState& module) {
  if (Status switched = switch_to(module, {}); !switched) return switched;
  aim(nullptr, 0);
  return module.tiers ? module.tiers->let_optimise() : Status(Ok{});
}

void ModuleTracing::aim(const std::shared_ptr<TraceLog>& log, std::uint64_t target) {
  const std::scoped_lock hold(mutex_);
  log_ = log;
  target_.store(target, std::memory_order_release);
}

// One batch.
Status ModuleTracing::switch_to(const ModuleState& module, std::span<const std::uint32_t> functions) {
  const auto is_wanted = [&](std::size_t function) {
    return std::binary_search(functions.begin(), functions.end(), static_cast<std::uint32_t>(function));
  };
  PatchBatch batch(module.control->engine);
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    const bool wanted = is_wanted(imported_ + i);
    if (wanted != keys_[i].enabled()) batch.set(keys_[i], wanted);
  }
  if (Result<CommitReport> committed = batch.commit(); !committed) return std::move(committed).error();
  for (std::uint32_t i = 0; i < hosts_.size(); ++i) hosts_[i].store(is_wanted(i), std::memory_order_relaxed);
  return Ok{};
}

}  // namespace shunt::wasm
