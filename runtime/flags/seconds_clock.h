#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "shunt/error.h"

namespace shunt::flags {

// Calls something soon after each second of the system's clock has begun, on a thread of its own that takes no signals.
class SecondsClock {
 public:
  SecondsClock() = default;
  ~SecondsClock() { stop(); }
  SecondsClock(const SecondsClock&) = delete;
  SecondsClock& operator=(const SecondsClock&) = delete;

  // Nothing to do if it runs. Errors: SystemCall, OutOfMemory; the next call tries again.
  Status start(std::function<void()> tick);
  // Waits until a call that has begun is over; not to be called with a lock that it takes.
  void stop();

 private:
  std::mutex lock_;  // protects stopping_
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace shunt::flags
