// Threads that run something all the time while a benchmark measures.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "benchmarks/support/measure.h"

namespace shunt::bench {

class Busy {
 public:
  // Starts `threads` threads at places 1, 2, ... (measure.h), each calling work(random number) again and again; returns
  // when all of them run.
  template <class Work>
  Busy(std::int64_t threads, Work work) {
    for (std::int64_t i = 0; i < threads; ++i) {
      threads_.emplace_back([this, work, i] {
        pin(static_cast<std::size_t>(i) + 1);
        std::uint64_t random = 88172645463325252ULL + static_cast<std::uint64_t>(i);
        running_.fetch_add(1, std::memory_order_relaxed);  // counts; orders nothing
        while (!stop_.load(std::memory_order_relaxed)) {   // a wish; joining orders the rest
          random ^= random << 13, random ^= random >> 7, random ^= random << 17;
          work(random >> 20);
        }
      });
    }
    while (running_.load(std::memory_order_relaxed) < threads) std::this_thread::yield();
  }
  ~Busy() {
    stop_.store(true, std::memory_order_relaxed);
    for (std::thread& thread : threads_) thread.join();
  }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;

 private:
  std::atomic<bool> stop_ = false;
  std::atomic<std::int64_t> running_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace shunt::bench
