// Threads that run the guest over the log again and again, each pass a fresh instance of the one compiled module.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "shunt/runtime/module.h"

namespace demo {

using Clock = std::chrono::steady_clock;

// The figures of a guest's report, by their names.
using Report = std::map<std::string, std::uint64_t>;

struct Pass {
  Clock::time_point begin, end;
  Report report;
  std::string error;  // empty if the guest ended well
};

class Workers {
 public:
  // Starts `threads` threads. `module` must outlive the workers; the log must not change. Throws std::system_error.
  Workers(const shunt::runtime::Module& module, const std::string& log_path, const std::string& trace_path,
          unsigned threads);
  ~Workers();

  // Of the log, read by all guests so far. Thread-safe.
  [[nodiscard]] std::uint64_t bytes_read() const;

  // Whether a pass failed. Thread-safe; when it did, its thread has stopped.
  [[nodiscard]] bool failed() const noexcept {
    return failed_.load(std::memory_order_relaxed);  // a hint to stop early; stop() orders the passes by joining
  }

  // Lets every thread finish its pass, and returns all passes. Blocks.
  std::vector<Pass> stop();

 private:
  struct Worker;
  void run(Worker& worker);
  Pass run_once(Worker& worker);

  const shunt::runtime::Module& module_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::atomic<bool> stopping_{false}, failed_{false};
};

}  // namespace demo
