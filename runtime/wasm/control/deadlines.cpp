#include "runtime/wasm/control/deadlines.h"

#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "runtime/flags/quiet_thread.h"
#include "runtime/wasm/control/interrupt_state.h"

namespace shunt::wasm {
namespace {

using Clock = std::chrono::steady_clock;

// Never destroyed: its thread waits in it until the process ends.
class Deadlines {
 public:
  static Deadlines& of_process() {
    static auto& deadlines = *new Deadlines;
    return deadlines;
  }

  Status set(const std::shared_ptr<InterruptState>& state, Clock::time_point when) {
    const std::lock_guard hold(mutex_);
    if (Status started = start(); !started) return started;
    const auto found = find(*state);
    if (found != entries_.end()) {
      found->when = when;
    } else {
      entries_.push_back({when, state});
    }
    changed_.notify_one();
    return Ok{};
  }

  void withdraw(const InterruptState& state) {
    const std::lock_guard hold(mutex_);
    if (const auto found = find(state); found != entries_.end()) entries_.erase(found);
  }

 private:
  struct Entry {
    Clock::time_point when;
    std::shared_ptr<InterruptState> state;
  };

  std::vector<Entry>::iterator find(const InterruptState& state) {
    return std::find_if(entries_.begin(), entries_.end(),
                        [&](const Entry& entry) { return entry.state.get() == &state; });
  }

  // mutex_ held. A forked child has no such thread, and starts its own.
  Status start() {
    if (process_ == getpid()) return Ok{};
    entries_.clear();
    Result<std::thread> started = flags::quiet_thread("deadlines", [this] { serve(); });
    if (!started) return started.error();
    started->detach();
    process_ = getpid();
    return Ok{};
  }

  [[noreturn]] void serve() {
    std::unique_lock hold(mutex_);
    while (true) {
      const Clock::time_point now = Clock::now();
      const auto is_due = [now](const Entry& entry) { return entry.when <= now; };
      std::vector<std::shared_ptr<InterruptState>> due;
      Clock::time_point earliest = now;
      for (const Entry& entry : entries_) {
        if (!is_due(entry)) continue;
        due.push_back(entry.state);
        earliest = std::min(earliest, entry.when);
      }
      std::erase_if(entries_, is_due);
      if (!due.empty()) {
        hold.unlock();
        (void)InterruptState::cancel_all(due, "its time is over", earliest);  // told by the engine's next commit
        due.clear();
        hold.lock();
        continue;
      }
      const auto next = std::min_element(entries_.begin(), entries_.end(),
                                         [](const Entry& a, const Entry& b) { return a.when < b.when; });
      if (next == entries_.end()) {
        changed_.wait(hold);
      } else {
        const Clock::time_point until = next->when;  // the entry may go while this waits
        changed_.wait_until(hold, until);
      }
    }
  }

  std::mutex mutex_;  // protects all below
  std::condition_variable changed_;
  std::vector<Entry> entries_;
  pid_t process_ = 0;  // whose thread serves
};

}  // namespace

Status set_deadline(const std::shared_ptr<InterruptState>& state, Clock::time_point when) {
  return Deadlines::of_process().set(state, when);
}

void withdraw_deadline(const InterruptState& state) noexcept {
  Deadlines::of_process().withdraw(state);
}

}  // namespace shunt::wasm
