#include "benchmarks/support/measure.h"

#include <sched.h>

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

void interleave(benchmark::State& state, const std::function<void()>& subject, const std::vector<Operation>& controls,
                const std::function<void()>& before_each) {
  Samples of_subject;
  std::vector<Samples> of_controls(controls.size());
  const auto timed = [&](const std::function<void()>& operation) {
    if (before_each) before_each();
    return time_ns(operation);
  };
  for (auto _ : state) {
    const double took = timed(subject);
    of_subject.add(took);
    state.SetIterationTime(took * 1e-9);
    for (std::size_t i = 0; i < controls.size(); ++i) of_controls[i].add(timed(controls[i].run));
  }
  const auto count = [&](const std::string& name, Samples& samples) {
    state.counters[name + "p50_ns"] = samples.median();
    state.counters[name + "p99_ns"] = samples.quantile(0.99);
  };
  count("", of_subject);
  for (std::size_t i = 0; i < controls.size(); ++i) count(controls[i].name + "_", of_controls[i]);
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
