// What calls through a table, and checks of a global, cost in the optimising tier: looked up, known, assumed, after the
// assumption was withdrawn, and direct.
//
// Each version is a module of its own; all are run in turn, round after round, and the median counts. Time is thread
// CPU time of the call, per iteration. Bias: where the code lies moves such loops by some per cent.
//
// usage: speculation [rounds, default 15]
#include <fmt/core.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "runtime/wasm/module/module_loader.h"
#include "shunt/engine.h"
#include "shunt/runtime/flags.h"
#include "shunt/runtime/instance.h"
#include "shunt/runtime/module_file.h"

namespace {

using shunt::runtime::Instance;
using shunt::runtime::Tier;
using shunt::runtime::Value;
namespace wasm = shunt::wasm;

template <class T>
T expect(shunt::Result<T> result, const std::string& what) {
  if (!result) {
    fmt::print(stderr, "speculation: {}: {}\n", what, result.error().message());
    std::exit(1);
  }
  return std::move(*result);
}

shunt::Result<std::unique_ptr<wasm::OptimisedCode>> looking_up(const wasm::OptimisingOptions& options,
                                                               const wasm::ModuleData& module,
                                                               std::span<const wasm::FunctionBody> bodies) {
  wasm::OptimisingOptions without = options;
  without.assumptions = nullptr;
  return wasm::compile_optimised(without, module, bodies);
}

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

struct Version {
  std::string name;
  std::string function;
  std::uint32_t argument;  // how often
  double iterations;       // that the call makes
  Instance instance;
  std::vector<double> times;  // nanoseconds an iteration

  void run() {
    const double start = cpu_seconds();
    expect(instance.call(function, std::vector{Value::i32(argument)}), name);
    times.push_back((cpu_seconds() - start) * 1e9 / iterations);
  }
  double median() {
    std::ranges::sort(times);
    return times[times.size() / 2];
  }
};

class Runs {
 public:
  explicit Runs(int rounds) : rounds_(rounds) {}

  Instance load(std::span<const std::uint8_t> bytes, const std::string& name, wasm::OptimisingCompiler compiler) {
    auto module = expect(
        wasm::ModuleLoader(*engine_, flags_, compiler).load(bytes, {.name = name, .tier = Tier::Optimising}), name);
    return expect(linker_.instantiate(module), name);
  }

  // Interleaves the versions; prints each with its ratio to the first.
  void run(const std::string& title, std::vector<Version> versions) const {
    for (int round = 0; round < rounds_; ++round) {
      for (Version& version : versions) version.run();
    }
    fmt::print("{}\n", title);
    const double first = versions.front().median();
    for (Version& version : versions) {
      fmt::print("  {:44} {:8.3f} ns {:8.3f}\n", version.name, version.median(), version.median() / first);
    }
  }

 private:
  int rounds_;
  shunt::Engine* engine_ = expect(shunt::Engine::process(), "engine");
  shunt::flags::FlagSet flags_{*engine_};
  shunt::runtime::Store store_ = expect(shunt::runtime::Store::create(), "store");
  shunt::runtime::Linker linker_{store_};
};

constexpr std::uint32_t turns = 2'000'000;

// A loop around one call or read.
std::string loop_around(const std::string& fields, const std::string& step) {
  return "(module (type $t (func (param i32 i32) (result i32))) " + fields + R"(
      (func $f (type $t) (i32.add (i32.xor (local.get 0) (local.get 1)) (i32.const 7)))
      (func (export "write") (param i32) (table.set 0 (i32.const 1) (ref.null func)))
      (func (export "run") (param $n i32) (result i32) (local $i i32) (local $sum i32)
        (loop $again
          (local.set $sum )" +
         step + R"()
          (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
        (local.get $sum))))";
}

Version loop_version(Runs& runs, const std::string& name, const std::string& text, wasm::OptimisingCompiler compiler) {
  const auto bytes = expect(shunt::runtime::assemble(text, name), name);
  return {name, "run", turns, turns, runs.load(bytes, name, compiler), {}};
}

void fixed_index(Runs& runs) {
  const std::string own = "(table 1 funcref) (table $other 2 funcref) (elem (table $other) (i32.const 0) func $f)";
  const std::string assumed = "(table 2 funcref) (elem (i32.const 0) $f)";
  const std::string through = "(call_indirect (type $t) (local.get $sum) (local.get $i) (i32.const 0))";
  const std::string other = "(call_indirect $other (type $t) (local.get $sum) (local.get $i) (i32.const 0))";
  const std::string direct = "(call $f (local.get $sum) (local.get $i))";
  std::vector<Version> versions;
  versions.push_back(loop_version(runs, "direct call", loop_around(assumed, direct), &wasm::compile_optimised));
  versions.push_back(loop_version(runs, "table, looked up", loop_around(assumed, through), &looking_up));
  versions.push_back(
      loop_version(runs, "table that nobody can write", loop_around(own, other), &wasm::compile_optimised));
  versions.push_back(
      loop_version(runs, "table, assumed unwritten", loop_around(assumed, through), &wasm::compile_optimised));
  versions.push_back(
      loop_version(runs, "table, assumption withdrawn", loop_around(assumed, through), &wasm::compile_optimised));
  expect(versions.back().instance.call("write", std::vector{Value::i32(0)}), "write");
  runs.run("a call with a constant index, in a loop", std::move(versions));
}

void global_reads(Runs& runs) {
  const std::string table = "(table 2 funcref) ";
  const std::string decide =
      "(if (result i32) (global.get $level) (then (call_indirect (type $t) (local.get $sum) (local.get $i) (local.get "
      "$n)))"
      " (else (i32.xor (i32.mul (local.get $sum) (i32.const 3)) (local.get $i))))";
  const std::string own = table + "(global $level (mut i32) (i32.const 0))";
  const std::string exported = table + "(global $level (export \"level\") (mut i32) (i32.const 0))";
  std::vector<Version> versions;
  versions.push_back(loop_version(runs, "without the check",
                                  loop_around(own, "(i32.xor (i32.mul (local.get $sum) (i32.const 3)) (local.get $i))"),
                                  &wasm::compile_optimised));
  versions.push_back(loop_version(runs, "global, loaded", loop_around(exported, decide), &looking_up));
  versions.push_back(
      loop_version(runs, "global that nobody can write", loop_around(own, decide), &wasm::compile_optimised));
  runs.run("a check of a global, in a loop", std::move(versions));
}

// A loop that is vectorised where nothing is in its way.
void global_in_sum(Runs& runs) {
  constexpr std::uint32_t words = 16'384;
  const auto text = [](const std::string& global, const std::string& check) {
    return "(module (memory 1) (type $t (func)) (table 1 funcref) " + global + R"(
        (func (export "run") (param $rounds i32) (result i32) (local $i i32) (local $sum i32)
          (loop $round
            (local.set $i (i32.const 0))
            (loop $again
              )" +
           check + R"(
              (local.set $sum (i32.add (local.get $sum) (i32.load (i32.shl (local.get $i) (i32.const 2)))))
              (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 16384))))
            (br_if $round (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))
          (local.get $sum))))";
  };
  const std::string own = "(global $level (mut i32) (i32.const 0))";
  const std::string exported = "(global $level (export \"level\") (mut i32) (i32.const 0))";
  const std::string check = "(if (global.get $level) (then (call_indirect (type $t) (i32.const 0))))";
  const auto version = [&](const std::string& name, const std::string& of, wasm::OptimisingCompiler compiler) {
    constexpr std::uint32_t rounds = 100;
    const auto bytes = expect(shunt::runtime::assemble(of, name), name);
    return Version{name, "run", rounds, double{rounds} * words, runs.load(bytes, name, compiler), {}};
  };
  std::vector<Version> versions;
  versions.push_back(version("without the check", text(own, ""), &wasm::compile_optimised));
  versions.push_back(version("global, loaded", text(exported, check), &looking_up));
  versions.push_back(version("global that nobody can write", text(own, check), &wasm::compile_optimised));
  runs.run("a check of a global, in a sum that is vectorised", std::move(versions));
}

std::vector<std::uint8_t> read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void callbacks(Runs& runs) {
  struct Kernel {
    const char* title;
    const char* file;
    const char* function;
    std::uint32_t rounds;
  };
  constexpr double count = 4096;
  for (const Kernel& kernel : {Kernel{"sort, one of two comparisons (an element)", "callbacks_many", "sort", 40},
                               Kernel{"objects of four kinds, in no order", "callbacks_few", "objects", 400},
                               Kernel{"objects of four kinds, in runs of 100", "callbacks_few", "runs", 400},
                               Kernel{"objects of sixteen kinds, in no order", "callbacks_many", "objects", 400},
                               Kernel{"objects of sixteen kinds, in runs of 100", "callbacks_many", "runs", 400}}) {
    const std::string path = std::string(SHUNT_CALLBACKS_DIR) + "/" + kernel.file + ".wasm";
    const std::vector<std::uint8_t> bytes = read(path);
    std::vector<Version> versions;
    for (const auto& [name, compiler] :
         {std::pair{"looked up", &looking_up}, std::pair{"known", &wasm::compile_optimised}}) {
      versions.push_back(
          {name, kernel.function, kernel.rounds, kernel.rounds * count, runs.load(bytes, path, compiler), {}});
    }
    runs.run(kernel.title, std::move(versions));
  }
}

}  // namespace

int main(int argc, char** argv) {
  Runs runs(argc > 1 ? std::max(1, std::atoi(argv[1])) : 15);
  fixed_index(runs);
  global_reads(runs);
  global_in_sum(runs);
  callbacks(runs);
  return 0;
}
