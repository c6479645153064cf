// Threads that run something all the time while a benchmark measures.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "benchmarks/support/measure.h"

namespace shunt::bench {

class Busy {
 public:
  // A thread that the machine's other work keeps from running disturbs nobody, and a core serialisation would look
  // cheap. So wait for this before each operation that is timed: returns once a thread has worked since the call, or
  // after a tenth of a second; at once when it has waited for five seconds in all, so that a machine which never lets
  // the threads run does not make a benchmark endless. Does nothing without threads. For one thread alone.
  void wait_for_work() {
    if (threads_.empty() || patience_ <= std::chrono::nanoseconds::zero()) return;
    const std::uint64_t before = work_done();
    const auto begin = std::chrono::steady_clock::now(), end = begin + std::chrono::milliseconds(100);
    auto now = begin;
    while (work_done() == before && now < end) now = std::chrono::steady_clock::now();
    patience_ -= now - begin;
  }

  // Starts `threads` threads at places 1, 2, ... (measure.h), each calling work(random number) again and again; returns
  // when all of them run.
  template <class Work>
  Busy(std::int64_t threads, Work work) : done_(static_cast<std::size_t>(threads)) {
    for (std::int64_t i = 0; i < threads; ++i) {
      threads_.emplace_back([this, work, i] {
        pin(static_cast<std::size_t>(i) + 1);
        std::uint64_t random = 88172645463325252ULL + static_cast<std::uint64_t>(i);
        std::atomic<std::uint64_t>& done = done_[static_cast<std::size_t>(i)].count;
        while (!stop_.load(std::memory_order_relaxed)) {  // a wish; joining orders the rest
          random ^= random << 13, random ^= random >> 7, random ^= random << 17;
          work(random >> 20);
          done.store(done.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);  // counts; orders nothing
        }
      });
    }
    for (const Count& thread : done_) {
      while (thread.count.load(std::memory_order_relaxed) == 0) std::this_thread::yield();
    }
  }
  ~Busy() {
    stop_.store(true, std::memory_order_relaxed);
    for (std::thread& thread : threads_) thread.join();
  }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;

 private:
  struct alignas(64) Count {
    std::atomic<std::uint64_t> count = 0;
  };
  [[nodiscard]] std::uint64_t work_done() const noexcept {
    std::uint64_t sum = 0;
    for (const Count& thread : done_) sum += thread.count.load(std::memory_order_relaxed);  // a count alone
    return sum;
  }

  std::chrono::nanoseconds patience_ = std::chrono::seconds(5);
  std::atomic<bool> stop_ = false;
  std::vector<Count> done_;
  std::vector<std::thread> threads_;
};

}  // namespace shunt::bench
