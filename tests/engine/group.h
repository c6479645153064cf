// Threads that wait behind a commit: a leader that is held in its core serialisation until the test lets it go.
#pragma once

#include <functional>
#include <semaphore>
#include <thread>
#include <utility>
#include <vector>

#include "engine/engine_impl.h"
#include "tests/engine/recording.h"

namespace shunt::test {

// Waits until `count` threads wait for the engine's commit lock.
inline void await_waiting(Engine& engine, std::uint32_t count) {
  while (detail::EngineInside::of(engine).commit_lock.waiting() != count) std::this_thread::yield();
}

// Commits `first` on a thread of its own, and holds it in its core serialisation until release().
class HeldLeader {
 public:
  HeldLeader(Engine& engine, Recording& recording, PatchBatch& first) : engine_(engine) {
    recording.at_serialisation = [this] {
      inside_.release();
      go_.acquire();
    };
    leader_ = std::thread([&first] { EXPECT_TRUE(first.commit()); });
    inside_.acquire();
  }
  ~HeldLeader() { release(); }
  HeldLeader(const HeldLeader&) = delete;
  HeldLeader& operator=(const HeldLeader&) = delete;

  // Runs `commit` on a thread of its own, which waits behind the leader and the followers before it.
  void follow(std::function<void()> commit) {
    followers_.emplace_back(std::move(commit));
    await_waiting(engine_, static_cast<std::uint32_t>(followers_.size()));
  }

  // The leader goes on; returns when all have committed.
  void release() {
    if (!leader_.joinable()) return;
    go_.release();
    leader_.join();
    for (std::thread& follower : followers_) follower.join();
    followers_.clear();
  }

 private:
  Engine& engine_;
  std::binary_semaphore inside_{0}, go_{0};
  std::thread leader_;
  std::vector<std::thread> followers_;
};

}  // namespace shunt::test
