// What it costs that guests can be stopped, and how soon they stop.
//
//   kernels      the four loops of guests/kernels.c, and whatever other guests are named, with and without sites
//   stop         cancel() of each of 8 busy guests: from the call to where the guest noticed
//   neighbours   how fast a guest runs while another of 100 of the same module is interrupted 1,000 times a second
//
// Bias: where the code lies moves such loops by more than a site does, so each loop is measured at 16 code placements,
// all interleaved, and the median over the placements is the result. Time is thread CPU time. A stop's latency includes
// the scheduler's delay where there are more busy threads than processors.
// usage: interruption [ROUNDS]
#include <fmt/core.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "shunt/engine.h"
#include "shunt/runtime/flags.h"
#include "shunt/runtime/instance.h"
#include "shunt/runtime/module.h"

namespace {

using namespace std::chrono_literals;
using shunt::runtime::Instance;
using shunt::runtime::Linker;
using shunt::runtime::Module;
using shunt::runtime::Store;
using shunt::runtime::Value;

constexpr int kPlacements = 16;
constexpr std::array<const char*, 4> kKernels = {"crc", "fnv", "sum", "scan"};

template <class T>
T expect(shunt::Result<T> result, const std::string& what) {
  if (!result) {
    fmt::print(stderr, "interruption: {}: {}\n", what, result.error().message());
    std::exit(1);
  }
  return std::move(*result);
}

struct Guest {
  std::unique_ptr<Store> store;
  Instance instance;
};

Guest instantiate(const Module& module) {
  Guest guest{std::make_unique<Store>(expect(Store::create(), "store")), Instance()};
  Linker linker(*guest.store);
  guest.instance = expect(linker.instantiate(module), "instantiate");
  expect(guest.instance.call("_initialize"), "_initialize");
  return guest;
}

Module load(shunt::Engine& engine, shunt::flags::FlagSet& flags, int placement, bool interruptible) {
  const std::string path = fmt::format("{}/kernels_plain_{}.wasm", SHUNT_KERNELS_DIR, placement);
  std::ifstream file(path, std::ios::binary);
  const std::vector<std::uint8_t> bytes{std::istreambuf_iterator<char>(file), {}};
  return expect(Module::load(engine, flags, bytes, {.name = path, .interruptible = interruptible}), path);
}

double thread_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t half = values.size() / 2;
  return values.size() % 2 != 0 ? values[half] : (values[half - 1] + values[half]) / 2;
}

double time_of(Instance instance, const char* kernel, int rounds) {
  const std::array arguments{Value::i32(rounds)};
  const double begin = thread_ns();
  expect(instance.call(kernel, arguments), kernel);
  return thread_ns() - begin;
}

void kernels(shunt::Engine& engine, shunt::flags::FlagSet& flags, int repetitions) {
  std::array<std::vector<Guest>, 2> guests;  // without, with
  for (int place = 0; place < kPlacements; ++place) {
    for (const bool with : {false, true}) guests[with ? 1 : 0].push_back(instantiate(load(engine, flags, place, with)));
  }
  fmt::print("{:8} {:>14} {:>14} {:>9}\n", "kernel", "without ns", "with ns", "ratio");
  for (const char* kernel : kKernels) {
    std::array<std::array<std::vector<double>, kPlacements>, 2> times;
    for (int repetition = 0; repetition < repetitions; ++repetition) {
      for (int place = 0; place < kPlacements; ++place) {
        for (int i = 0; i < 2; ++i) {
          const int with = (i + repetition) % 2;
          times[with][place].push_back(time_of(guests[with][place].instance, kernel, 8));
        }
      }
    }
    std::array<double, 2> result{};
    for (int with = 0; with < 2; ++with) {
      std::vector<double> medians;
      for (const auto& at_place : times[with]) medians.push_back(median(at_place));
      result[with] = median(medians);
    }
    fmt::print("{:8} {:14.0f} {:14.0f} {:9.4f}\n", kernel, result[0], result[1], result[1] / result[0]);
  }
}

void stops(const Module& module) {
  constexpr int count = 8;
  std::vector<double> latencies;
  for (int round = 0; round < 10; ++round) {
    std::vector<Guest> guests;
    std::vector<std::thread> threads;
    for (int i = 0; i < count; ++i) guests.push_back(instantiate(module));
    for (Guest& guest : guests) {
      threads.emplace_back([&guest] {
        const std::array arguments{Value::i32(1 << 30)};
        if (guest.instance.call("crc", arguments)) std::abort();
      });
    }
    std::this_thread::sleep_for(50ms);
    for (const Guest& guest : guests) {
      if (!guest.store->interrupt_handle().cancel()) std::abort();
    }
    for (std::thread& thread : threads) thread.join();
    for (const Guest& guest : guests) {
      latencies.push_back(static_cast<double>(guest.store->interrupt_handle().report().last_latency_ns));
    }
  }
  std::ranges::sort(latencies);
  fmt::print("stop of each of {} busy guests on {} processors: median {:.1f} us, longest {:.1f} us\n", count,
             std::thread::hardware_concurrency(), median(latencies) / 1e3, latencies.back() / 1e3);
}

void neighbours(const Module& module, int repetitions) {
  std::vector<Guest> guests;
  for (int i = 0; i < 100; ++i) guests.push_back(instantiate(module));
  const Guest& interrupted = guests.front();
  std::atomic<bool> end{false};
  std::atomic<bool> asking{false};
  std::thread victim([&] {
    const std::array arguments{Value::i32(1 << 30)};
    (void)guests.front().instance.call("crc", arguments);
  });
  std::thread asker([&] {
    while (!end) {
      if (asking) (void)interrupted.store->interrupt_handle().request_yield();
      std::this_thread::sleep_for(1ms);
    }
  });
  std::array<std::vector<double>, 2> times;
  std::uint64_t before = 0;
  for (int repetition = 0; repetition < 10 * repetitions; ++repetition) {
    for (const bool while_asking : {false, true}) {
      asking = while_asking;
      const auto& neighbour = guests[1 + static_cast<std::size_t>(repetition) % 99];
      times[while_asking ? 1 : 0].push_back(time_of(neighbour.instance, "crc", 64));
    }
  }
  before = interrupted.store->interrupt_handle().report().yields;
  end = true;
  asker.join();
  (void)interrupted.store->interrupt_handle().cancel();
  victim.join();
  fmt::print("a guest beside one of the same module that is interrupted: {:.4f} of its time alone ({} interruptions)\n",
             median(times[1]) / median(times[0]), before);
}

}  // namespace

int main(int argc, char** argv) {
  const int repetitions = argc > 1 ? std::atoi(argv[1]) : 3;
  shunt::Engine* engine = expect(shunt::Engine::process(), "engine");
  shunt::flags::FlagSet flags(*engine);
  kernels(*engine, flags, repetitions);
  const Module module = load(*engine, flags, 0, true);
  stops(module);
  neighbours(module, repetitions);
}
