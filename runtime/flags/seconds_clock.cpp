#include "runtime/flags/seconds_clock.h"

#include <chrono>
#include <new>
#include <utility>

#include "runtime/flags/quiet_thread.h"

namespace shunt::flags {

Status SecondsClock::start(std::function<void()> tick) {
  if (thread_.joinable()) return Ok{};
  Result<std::thread> started = quiet_thread("the flags' clock", [this, tick = std::move(tick)] {
    using namespace std::chrono;
    std::unique_lock hold(lock_);
    for (;;) {
      const auto next = floor<seconds>(system_clock::now()) + seconds(1);
      if (wake_.wait_until(hold, next, [this] { return stopping_; })) return;
      hold.unlock();
      try {
        tick();
      } catch (const std::bad_alloc&) {
        hold.lock();
        continue;  // the next tick does it
      }
      hold.lock();
    }
  });
  if (!started) return started.error();
  thread_ = std::move(*started);
  return Ok{};
}

void SecondsClock::stop() {
  {
    const std::scoped_lock hold(lock_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

}  // namespace shunt::flags
