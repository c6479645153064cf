// What a flag that is off costs in a guest's hot loop: the four loops of guests/kernels.c, one check a byte, against
// the same module without the check and its rare arm; and beside it a check that loads a variable.
//
// Bias: where the code lies moves such loops by more than the check does, so each loop is measured at 16 code
// placements, all interleaved at random, and the median over the placements is the result. Time is thread CPU time.
//
// usage: flag_kernels [--quick] [--tier=baseline|optimising] [options of Google Benchmark]
#include <benchmark/benchmark.h>
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shunt/engine.h"
#include "shunt/runtime/flags.h"
#include "shunt/runtime/instance.h"
#include "shunt/runtime/module.h"

namespace {

using shunt::runtime::Instance;
using shunt::runtime::Linker;
using shunt::runtime::Module;
using shunt::runtime::Store;
using shunt::runtime::Tier;
using shunt::runtime::Value;

constexpr int kPlacements = 16;
constexpr int kRounds = 8;  // of 64 KiB a call: the loops take longer than the call by four orders of magnitude
constexpr std::array<const char*, 3> kBuilds = {"plain", "check", "load"};
constexpr std::array<const char*, 4> kKernels = {"crc", "fnv", "sum", "scan"};

template <class T>
T expect(shunt::Result<T> result, const std::string& what) {
  if (!result) {
    fmt::print(stderr, "flag_kernels: {}: {}\n", what, result.error().message());
    std::exit(1);
  }
  return std::move(*result);
}

struct Guest {
  std::unique_ptr<Store> store;
  std::unique_ptr<Module> module;
  Instance instance;
};

Guest load(shunt::Engine& engine, shunt::flags::FlagSet& flags, Tier tier, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<std::uint8_t> bytes{std::istreambuf_iterator<char>(file), {}};
  Guest guest;
  guest.module =
      std::make_unique<Module>(expect(Module::load(engine, flags, bytes, {.name = path, .tier = tier}), path));
  guest.store = std::make_unique<Store>(expect(Store::create(), "store"));
  Linker linker(*guest.store);
  guest.instance = expect(linker.instantiate(*guest.module), path);
  expect(guest.instance.call("_initialize"), path);
  return guest;
}

// Keeps the time a byte of every run by name, for the ratios.
class Ratios : public benchmark::ConsoleReporter {
 public:
  Ratios() : ConsoleReporter(OO_Tabular) {}
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs)
      if (run.run_type == Run::RT_Iteration) times_[run.run_name.function_name].push_back(run.GetAdjustedCPUTime());
  }
  void print() {
    fmt::print("\n{:8} {:>14} {:>14} {:>9} {:>9} {:>9} {:>14}\n", "kernel", "plain ns/byte", "check ns/byte", "ratio",
               "min", "max", "load ns/byte");
    for (const char* kernel : kKernels) {
      std::map<std::string_view, std::vector<double>> medians;
      for (const char* build : kBuilds)
        for (int place = 0; place < kPlacements; ++place)
          medians[build].push_back(median(times_[fmt::format("{}/{}/{}", kernel, build, place)]));
      // Placements of the two builds do not correspond: compare each checked one with the median plain one.
      const double plain = median(medians["plain"]), check = median(medians["check"]);
      const double bytes = kRounds * 65536.0;
      fmt::print("{:8} {:14.4f} {:14.4f} {:9.3f} {:9.3f} {:9.3f} {:14.4f}\n", kernel, plain / bytes, check / bytes,
                 check / plain, *std::ranges::min_element(medians["check"]) / plain,
                 *std::ranges::max_element(medians["check"]) / plain, median(medians["load"]) / bytes);
    }
  }

 private:
  static double median(std::vector<double> values) {
    if (values.empty()) return 0;
    std::ranges::sort(values);
    const std::size_t half = values.size() / 2;
    return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
  }
  std::map<std::string, std::vector<double>> times_;
};

struct Options {
  Tier tier = Tier::Baseline;
  bool quick = false;  // a third of the repetitions, each a fifth as long
};

Options parse(int argc, char** argv) {
  constexpr std::string_view tier_option = "--tier=";
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const auto tier = argument.starts_with(tier_option)
                          ? shunt::runtime::parse_tier(argument.substr(tier_option.size()))
                          : std::nullopt;
    if (tier) {
      options.tier = *tier;
    } else if (argument == "--quick") {
      options.quick = true;
    } else {
      fmt::print(stderr, "usage: flag_kernels [--quick] [--tier=baseline|optimising] [options of Google Benchmark]\n");
      std::exit(2);
    }
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  const Options options = parse(argc, argv);
  shunt::Engine* engine = expect(shunt::Engine::process(), "engine");
  shunt::flags::FlagSet flags(*engine);
  expect(flags.load_json(R"({"flags": {"rare": {"state": "ENABLED", "variants": {"on": true, "off": false},
                             "defaultVariant": "off"}}})",
                         "built-in"),
         "flags");
  std::vector<Guest> guests;
  for (int place = 0; place < kPlacements; ++place)
    for (const char* build : kBuilds) {
      guests.push_back(
          load(*engine, flags, options.tier, fmt::format("{}/kernels_{}_{}.wasm", SHUNT_KERNELS_DIR, build, place)));
      for (const char* kernel : kKernels)
        benchmark::RegisterBenchmark(fmt::format("{}/{}/{}", kernel, build, place).c_str(),
                                     [instance = guests.back().instance, kernel](benchmark::State& state) mutable {
                                       const std::array arguments{Value::i32(kRounds)};
                                       for (auto _ : state)
                                         if (!instance.call(kernel, arguments)) state.SkipWithError("trap");
                                     })
            ->Unit(benchmark::kNanosecond)
            ->MinTime(options.quick ? 0.004 : 0.02)
            ->Repetitions(options.quick ? 2 : 5);
    }
  Ratios reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter);
  reporter.print();
}
