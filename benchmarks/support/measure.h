// Timing of single operations, interleaved with their controls, on threads that are pinned to processors.
//
// Each iteration times the subject once and then every control once, so that whatever disturbs the machine disturbs
// all of them alike; what counts is the ratio of their medians. Pinned, because a busy thread that the scheduler puts
// on the committing thread's processor does not run while that one does, and a core serialisation then has nobody to
// interrupt: the same benchmark would show two different costs from one second to the next.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "shunt/error.h"

namespace shunt::bench {

// Whether the programs shall only show that they run (--smoke).
bool smoke() noexcept;

// As many iterations as asked for, or a handful in a smoke run.
std::int64_t iterations(std::int64_t wanted) noexcept;

// The value, or the end of the program with the error's message.
template <class T>
T must(Result<T> result);

[[noreturn]] void fail(const std::string& message);

// Durations of one operation, in nanoseconds.
class Samples {
 public:
  void add(double nanoseconds) { values_.push_back(nanoseconds); }
  [[nodiscard]] double last() const noexcept { return values_.back(); }
  [[nodiscard]] bool empty() const noexcept { return values_.empty(); }
  [[nodiscard]] double quantile(double part);  // 0.5 the median; 0 if there are none
  [[nodiscard]] double median() { return quantile(0.5); }

 private:
  std::vector<double> values_;
};

// How long one call takes, in nanoseconds; reading the clock twice (about 20 ns each) is in it.
double time_ns(const std::function<void()>& operation);

struct Operation {
  std::string name;
  std::function<void()> run;
};

// Whether samples count during which the kernel gave the processor to somebody else: Drop where nothing of the
// benchmark competes for the committing thread's processor, so that it can only have been the machine's other work.
enum class Preempted { Count, Drop };

// Runs the state's iterations as described above. The subject's time is the benchmark's; counters: p50_ns and p99_ns of
// the subject, NAME_p50_ns and NAME_p99_ns of each control. `before_each` runs untimed before every timed operation.
void interleave(benchmark::State& state, const std::function<void()>& subject, const std::vector<Operation>& controls,
                Preempted preempted = Preempted::Drop, const std::function<void()>& before_each = {});

// Processors that the process may use, the same ones from its start to its end.
std::size_t processors() noexcept;

// Keeps the calling thread on one of them: place 0 is the committing thread's, busy thread i has place i + 1; with more
// places than processors they go round.
void pin(std::size_t place) noexcept;

// A benchmark program's main: runs what `add_benchmarks` registers, with the calling thread pinned to place 0.
// Understands --smoke beside the options of Google Benchmark.
int run_main(int argc, char** argv, void (*add_benchmarks)());

template <class T>
T must(Result<T> result) {
  if (!result) fail(result.error().message());
  return std::move(*result);
}

}  // namespace shunt::bench
