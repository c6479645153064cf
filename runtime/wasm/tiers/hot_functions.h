// A thread that looks at a module's counters, and hands on the functions that have become hot.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "shunt/error.h"

namespace shunt::wasm {

// Calls `look` again and again: soon while it finds something to do, ever later while it does not.
class HotFunctions {
 public:
  enum class Found : std::uint8_t {
    Work,     // the counters move
    Nothing,  // they stand still
  };
  HotFunctions() = default;
  // Waits for a look that is in progress: a compilation may take seconds.
  ~HotFunctions();
  HotFunctions(const HotFunctions&) = delete;
  HotFunctions& operator=(const HotFunctions&) = delete;

  // Starts the thread, once. Errors: SystemCall.
  Status start(std::function<Found()> look);

 private:
  static constexpr std::chrono::milliseconds soonest{1}, latest{128};
  void run();

  std::function<Found()> look_;
  std::mutex mutex_;  // protects stops_
  std::condition_variable changed_;
  bool stops_ = false;
  std::thread thread_;
};

}  // namespace shunt::wasm
