// Threads that wait behind a commit: a leader that is held in its core serialisation until the test lets it go.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <semaphore>
#include <thread>
#include <utility>
#include <vector>

#include "engine/engine_impl.h"
#include "tests/engine/recording.h"

namespace shunt::test {

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

  // Runs `commit` on a thread of its own, and returns when it waits for the commit lock, with all the followers before
  // it and `others` threads more; or when it has returned, which no commit does that has to wait.
  void follow(std::function<void()> commit, std::uint32_t others = 0) {
    const auto returned = std::make_shared<std::atomic<bool>>(false);
    followers_.emplace_back([commit = std::move(commit), returned] {
      commit();
      *returned = true;
    });
    const auto wanted = static_cast<std::uint32_t>(followers_.size()) + others;
    while (detail::EngineInside::of(engine_).commit_lock.waiting() < wanted && !*returned) std::this_thread::yield();
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
