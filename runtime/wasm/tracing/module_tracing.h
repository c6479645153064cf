// Which functions of a module are traced, and by whom.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "runtime/wasm/tracing/trace_log.h"
#include "shunt/error.h"
#include "shunt/patch_batch.h"
#include "shunt/static_key.h"

namespace shunt::wasm {

struct ModuleData;
struct ModuleState;

// Owned by a module that is traceable; ends after its code, whose sites belong to the keys.
class ModuleTracing {
 public:
  ModuleTracing() = default;
  ModuleTracing(const ModuleTracing&) = delete;
  ModuleTracing& operator=(const ModuleTracing&) = delete;

  // Once, before the module is compiled. Returns the functions' keys, by function index less imports.
  std::deque<StaticKey>& prepare(const ModuleData& module);

  // --- whoever traces; thread-safe ---

  // Traces these functions (indices, ascending) and no others, into `log`, which calls the module `number`. `module` is
  // the owner. Blocks. Errors: InvalidArgument (another log is written to), the engine's; then nothing has changed.
  Status set(const ModuleState& module, const std::shared_ptr<TraceLog>& log, std::uint16_t number,
             std::span<const std::uint32_t> functions);

  // --- guests' threads ---

  // Where events go: the log's id and the module's number in it, as (id << 16) | number. 0: nowhere.
  [[nodiscard]] std::uint64_t target() const noexcept { return target_.load(std::memory_order_acquire); }
  [[nodiscard]] std::shared_ptr<TraceLog> log() const;  // null: nothing is traced
  [[nodiscard]] bool traces_host(std::uint32_t import) const noexcept {
    return hosts_[import].load(std::memory_order_relaxed);  // who misses it calls before it is set
  }

 private:
  Status begin(const ModuleState& module, const std::shared_ptr<TraceLog>& log, std::uint16_t number,
               std::span<const std::uint32_t> functions);
  Status end(const ModuleState& module);
  void aim(const std::shared_ptr<TraceLog>& log, std::uint64_t target);
  Status switch_to(const ModuleState& module, std::span<const std::uint32_t> functions);

  std::deque<StaticKey> keys_;
  std::vector<std::atomic<bool>> hosts_;  // by imported function
  std::uint32_t imported_ = 0;
  // Acquire and release: who finds a log finds what it calls the module.
  std::atomic<std::uint64_t> target_{0};
  std::mutex switching_;      // one at a time; held over commits, comes before mutex_
  mutable std::mutex mutex_;  // protects log_; a leaf
  std::shared_ptr<TraceLog> log_;
};

}  // namespace shunt::wasm
