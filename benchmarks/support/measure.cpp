#include "benchmarks/support/measure.h"

#include <sched.h>
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace shunt::bench {
namespace {

bool smoke_run = false;

std::vector<int> allowed_processors() {
  std::vector<int> numbers;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    for (int i = 0; i < CPU_SETSIZE; ++i) {
      if (CPU_ISSET(i, &set)) numbers.push_back(i);
    }
  }
  if (numbers.empty()) numbers.push_back(0);
  return numbers;
}

const std::vector<int>& processor_numbers() {
  static const std::vector<int> numbers = allowed_processors();  // first asked for before anybody is pinned
  return numbers;
}

}  // namespace

bool smoke() noexcept {
  return smoke_run;
}

std::int64_t iterations(std::int64_t wanted) noexcept {
  return smoke_run ? std::min<std::int64_t>(wanted, 3) : wanted;
}

void fail(const std::string& message) {
  std::fprintf(stderr, "benchmark: %s\n", message.c_str());
  std::exit(1);
}

double Samples::quantile(double part) {
  if (values_.empty()) return 0;
  const auto place = std::min(static_cast<std::size_t>(static_cast<double>(values_.size()) * part), values_.size() - 1);
  std::nth_element(values_.begin(), values_.begin() + static_cast<std::ptrdiff_t>(place), values_.end());
  return values_[place];
}

double time_ns(const std::function<void()>& operation) {
  const auto begin = std::chrono::steady_clock::now();
  operation();
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count();
}

namespace {

// How often the kernel took the processor away from this thread.
long preemptions() noexcept {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nivcsw;
}

double processor_time_ns() noexcept {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

// One operation's samples: all, and those that nothing disturbed. An operation so long that reading the thread's
// processor time is nothing beside it, and that the machine's other work would interrupt nearly always, counts by
// processor time if it was interrupted.
class Measured {
 public:
  double take(const std::function<void()>& operation, Preempted preempted) {
    if (preempted == Preempted::Count) {
      all_.add(time_ns(operation));
      return all_.last();
    }
    constexpr double long_ns = 100'000;
    const long before = preemptions();
    const double processor_before = processor_time_ns();
    const double took = time_ns(operation);
    const double processor_took = processor_time_ns() - processor_before;
    all_.add(took);
    if (preemptions() == before) {
      undisturbed_.add(took);
    } else if (processor_took > long_ns) {
      undisturbed_.add(processor_took);
    }
    return took;
  }
  void count(benchmark::State& state, const std::string& name) {
    Samples& samples = undisturbed_.empty() ? all_ : undisturbed_;
    state.counters[name + "p50_ns"] = samples.median();
    state.counters[name + "p99_ns"] = samples.quantile(0.99);
  }

 private:
  Samples all_, undisturbed_;
};

}  // namespace

void interleave(benchmark::State& state, const std::function<void()>& subject, const std::vector<Operation>& controls,
                Preempted preempted, const std::function<void()>& before_each) {
  Measured of_subject;
  std::vector<Measured> of_controls(controls.size());
  for (auto _ : state) {
    if (before_each) before_each();
    state.SetIterationTime(of_subject.take(subject, preempted) * 1e-9);
    for (std::size_t i = 0; i < controls.size(); ++i) {
      if (before_each) before_each();
      of_controls[i].take(controls[i].run, preempted);
    }
  }
  of_subject.count(state, "");
  for (std::size_t i = 0; i < controls.size(); ++i) of_controls[i].count(state, controls[i].name + "_");
}

std::size_t processors() noexcept {
  return processor_numbers().size();
}

void pin(std::size_t place) noexcept {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor_numbers()[place % processors()], &set);
  sched_setaffinity(0, sizeof set, &set);  // refused: the times are noisier, nothing else
}

int run_main(int argc, char** argv, void (*add_benchmarks)()) {
  static char short_time[] = "--benchmark_min_time=0.001";
  std::vector<char*> arguments(argv, argv + argc);
  const auto found = std::find_if(arguments.begin(), arguments.end(),
                                  [](const char* argument) { return std::strcmp(argument, "--smoke") == 0; });
  if (found != arguments.end()) {
    smoke_run = true;
    *found = short_time;
  }
  int count = argc;
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 1;
  benchmark::AddCustomContext("processors", std::to_string(processors()));
  pin(0);
  add_benchmarks();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}

}  // namespace shunt::bench
