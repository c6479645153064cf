// What all parts of the soak share: whether to go on, what went wrong, and how much was done.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <set>
#include <string>

namespace shunt::soak {

struct Shared {
  std::atomic<bool> stop{false};

  struct Counts {
    std::atomic<std::uint64_t> flips{0}, publications{0}, retirements{0}, forks{0}, threads{0}, reloads{0},
        corrupt_files{0}, modules{0}, guest_calls{0}, engine_calls{0}, checked{0};
  } done;

  // Each problem once; any ends the soak.
  void problem(const std::string& what) {
    const std::lock_guard hold(lock_);
    problems_.insert(what);
    stop.store(true);
  }
  [[nodiscard]] std::set<std::string> problems() const {
    const std::lock_guard hold(lock_);
    return problems_;
  }

 private:
  mutable std::mutex lock_;
  std::set<std::string> problems_;
};

// A sequence of changes that one thread makes, and that others must not see late. For change n the one does
//   begun = n (release); the change; completed = n (release)
// and a reader: c = completed (acquire); look; b = begun (acquire). It must have seen one of the changes c to b.
struct Sequence {
  std::atomic<std::uint64_t> begun{0}, completed{0};
};

}  // namespace shunt::soak
