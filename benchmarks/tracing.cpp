// What it costs that functions can be traced, and what a traced call costs.
//
//   off   recursive calls of a function that does next to nothing (fib), with the sites and without: the worst case
//   on    the same calls, traced
//
// Bias: where the code lies moves such calls by more than a site does, so they are measured at 16 code placements, all
// interleaved, and the median over the placements is the result. Time is thread CPU time. What is traced fills a
// bounded memory, and so makes the caches' contents go. usage: tracing [ROUNDS]
#include <fmt/core.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "shunt/engine.h"
#include "shunt/runtime/flags.h"
#include "shunt/runtime/instance.h"
#include "shunt/runtime/module_file.h"
#include "shunt/runtime/trace.h"

namespace {

using shunt::runtime::Instance;
using shunt::runtime::Linker;
using shunt::runtime::Module;
using shunt::runtime::Store;
using shunt::runtime::Tracer;
using shunt::runtime::Value;

constexpr int kPlacements = 16;
constexpr int kArgument = 22;
constexpr double kCalls = 57'313;  // 2 * fib(23) - 1

template <class T>
T expect(shunt::Result<T> result, const std::string& what) {
  if (!result) {
    fmt::print(stderr, "tracing: {}: {}\n", what, result.error().message());
    std::exit(1);
  }
  return std::move(*result);
}

// Functions in front move fib by a multiple of 16 bytes.
std::string guest(int placement) {
  std::string padding = "(func (param i32) (result i32) (local.get 0)";
  for (int i = 0; i < 4 * placement; ++i) padding += " (i32.const 77777) (i32.mul)";
  return "(module " + padding + R"()
    (func $fib (export "fib") (param i32) (result i32)
      (if (result i32) (i32.lt_u (local.get 0) (i32.const 2))
        (then (local.get 0))
        (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
                       (call $fib (i32.sub (local.get 0) (i32.const 2)))))))))";
}

struct Guest {
  Module module;
  std::unique_ptr<Store> store;
  Instance instance;
};

Guest load(shunt::Engine& engine, shunt::flags::FlagSet& flags, int placement, bool traceable) {
  const auto bytes = expect(shunt::runtime::assemble(guest(placement), "fib.wat"), "assemble");
  Guest made{expect(Module::load(engine, flags, bytes, {.name = "fib.wat", .traceable = traceable}), "load"),
             std::make_unique<Store>(expect(Store::create(), "store")), Instance()};
  Linker linker(*made.store);
  made.instance = expect(linker.instantiate(made.module), "instantiate");
  return made;
}

double thread_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

double time_of(Instance instance) {
  const std::array arguments{Value::i32(kArgument)};
  const double begin = thread_ns();
  expect(instance.call("fib", arguments), "fib");
  return thread_ns() - begin;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t half = values.size() / 2;
  return values.size() % 2 != 0 ? values[half] : (values[half - 1] + values[half]) / 2;
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 5;
  shunt::Engine* engine = expect(shunt::Engine::process(), "engine");
  shunt::flags::FlagSet flags(*engine);
  std::array<std::vector<Guest>, 2> guests;  // without, with
  for (int place = 0; place < kPlacements; ++place) {
    for (const bool with : {false, true}) guests[with ? 1 : 0].push_back(load(*engine, flags, place, with));
  }
  std::array<std::array<std::vector<double>, kPlacements>, 3> times;  // without, with, traced
  Tracer tracer;
  const std::array patterns{std::string("fib")};
  for (int round = 0; round < rounds; ++round) {
    for (int place = 0; place < kPlacements; ++place) {
      for (int i = 0; i < 2; ++i) {
        const int with = (i + round) % 2;
        times[with][place].push_back(time_of(guests[with][place].instance));
      }
      expect(tracer.trace(guests[1][place].module, patterns), "trace");
      times[2][place].push_back(time_of(guests[1][place].instance));
      if (!tracer.stop()) return 1;
    }
  }
  std::array<double, 3> result{};
  for (std::size_t kind = 0; kind < result.size(); ++kind) {
    std::vector<double> medians;
    for (const auto& at_place : times[kind]) medians.push_back(median(at_place));
    result[kind] = median(medians) / kCalls;
  }
  fmt::print("ns a call: without sites {:.3f}, with {:.3f} (ratio {:.4f}), traced {:.1f}\n", result[0], result[1],
             result[1] / result[0], result[2]);
}
