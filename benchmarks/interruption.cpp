// What it costs that guests can be stopped, and how soon they stop.
//
//   kernels      the four loops of guests/kernels.c, with and without sites
//   guest        a WASI program that is named, with its arguments: the same
//   stop         cancel() of each of 8 busy guests: from the call to where the guest noticed; and 8 busy threads that
//   look
//                at a flag of their own all the time: from where it is set to where they see it, which is what the
//                scheduler and the machine take
//   neighbours   how fast a guest runs while another of 100 of the same module is interrupted 1,000 times a second
//
// Bias: where the code lies moves such loops by more than a site does, so each loop is measured at 16 code placements,
// all interleaved, and the median over the placements is the result. Time is thread CPU time.
// usage: interruption [--tier=TIER] [--rounds=N] [GUEST.wasm ARGUMENT...]
#include <fcntl.h>
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
#include <string_view>
#include <thread>
#include <vector>

#include "shunt/engine.h"
#include "shunt/runtime/flags.h"
#include "shunt/runtime/instance.h"
#include "shunt/runtime/module.h"
#include "shunt/runtime/wasi.h"

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

struct Options {
  shunt::runtime::Tier tier = shunt::runtime::Tier::Baseline;
  int rounds = 3;
  std::vector<std::string> guest;  // a program and its arguments
};

class Loader {
 public:
  Loader(shunt::Engine& engine, shunt::flags::FlagSet& flags, shunt::runtime::Tier tier)
      : engine_(engine), flags_(flags), tier_(tier) {}

  Module operator()(const std::string& path, bool interruptible) const {
    std::ifstream file(path, std::ios::binary);
    const std::vector<std::uint8_t> bytes{std::istreambuf_iterator<char>(file), {}};
    return expect(Module::load(engine_, flags_, bytes, {.name = path, .tier = tier_, .interruptible = interruptible}),
                  path);
  }
  Module operator()(int placement, bool interruptible) const {
    return (*this)(fmt::format("{}/kernels_plain_{}.wasm", SHUNT_KERNELS_DIR, placement), interruptible);
  }

 private:
  shunt::Engine& engine_;
  shunt::flags::FlagSet& flags_;
  shunt::runtime::Tier tier_;
};

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

void kernels(const Loader& load, int repetitions) {
  std::array<std::vector<Guest>, 2> guests;  // without, with
  for (int place = 0; place < kPlacements; ++place) {
    for (const bool with : {false, true}) guests[with ? 1 : 0].push_back(instantiate(load(place, with)));
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

// What the program prints is thrown away.
double time_of_program(const Module& module, const std::vector<std::string>& arguments) {
  static const int nowhere = open("/dev/null", O_WRONLY);
  shunt::runtime::Wasi wasi =
      expect(shunt::runtime::Wasi::create({.arguments = arguments, .stdout_fd = nowhere}), "wasi");
  Store store = expect(Store::create(), "store");
  Linker linker(store);
  wasi.add_to(linker);
  Instance instance = expect(linker.instantiate(module), "instantiate");
  const double begin = thread_ns();
  (void)instance.call("_start");  // ends by an exit
  return thread_ns() - begin;
}

void program(const Loader& load, const std::vector<std::string>& guest, int repetitions) {
  const std::array modules = {load(guest.front(), false), load(guest.front(), true)};
  std::array<std::vector<double>, 2> times;
  std::vector<double> ratios;  // round by round: what slows one run of a round slows its neighbour
  for (int repetition = 0; repetition < repetitions; ++repetition) {
    for (int i = 0; i < 2; ++i) {
      const int with = (i + repetition) % 2;
      times[with].push_back(time_of_program(modules[with], guest));
    }
    ratios.push_back(times[1].back() / times[0].back());
  }
  fmt::print("{}: without {:.0f} ns, with {:.0f} ns, ratio {:.4f}\n", guest.front(), median(times[0]), median(times[1]),
             median(ratios));
}

// From a flag's being set to its being seen, by each of so many busy threads.
void delays(int count, std::vector<double>& out) {
  using Clock = std::chrono::steady_clock;
  struct alignas(64) Looker {
    std::atomic<bool> flag{false};
    Clock::time_point set, seen;
  };
  std::vector<Looker> lookers(static_cast<std::size_t>(count));
  std::vector<std::thread> threads;
  for (Looker& looker : lookers) {
    threads.emplace_back([&looker] {
      while (!looker.flag.load(std::memory_order_acquire)) {  // pairs with the store below: `set` is there
      }
      looker.seen = Clock::now();
    });
  }
  std::this_thread::sleep_for(50ms);
  for (Looker& looker : lookers) {
    looker.set = Clock::now();
    looker.flag.store(true, std::memory_order_release);
  }
  for (std::thread& thread : threads) thread.join();
  for (const Looker& looker : lookers) {
    out.push_back(std::chrono::duration<double, std::nano>(looker.seen - looker.set).count());
  }
}

void stops(const Module& module) {
  constexpr int count = 8;
  std::vector<double> latencies, scheduler;
  for (int round = 0; round < 25; ++round) {
    delays(count, scheduler);
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
  fmt::print("stop of each of {} busy guests on {} processors: median {:.1f} us, longest {:.1f} us\n", count,
             std::thread::hardware_concurrency(), median(latencies) / 1e3, std::ranges::max(latencies) / 1e3);
  fmt::print("a flag seen by each of {} busy threads there: median {:.1f} us, longest {:.1f} us\n", count,
             median(scheduler) / 1e3, std::ranges::max(scheduler) / 1e3);
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

Options parse(const std::vector<std::string>& arguments) {
  Options options;
  for (const std::string& argument : arguments) {
    const std::string_view value = std::string_view(argument).substr(argument.find('=') + 1);
    if (!options.guest.empty() || !argument.starts_with("--")) {
      options.guest.push_back(argument);
    } else if (argument.starts_with("--rounds=") && std::atoi(value.data()) > 0) {
      options.rounds = std::atoi(value.data());
    } else if (argument.starts_with("--tier=") && shunt::runtime::parse_tier(value)) {
      options.tier = *shunt::runtime::parse_tier(value);
    } else {
      fmt::print(stderr, "usage: interruption [--tier=TIER] [--rounds=N] [GUEST.wasm ARGUMENT...]\n");
      std::exit(2);
    }
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse({argv + 1, argv + argc});
  shunt::Engine* engine = expect(shunt::Engine::process(), "engine");
  shunt::flags::FlagSet flags(*engine);
  const Loader load(*engine, flags, options.tier);
  if (!options.guest.empty()) {
    program(load, options.guest, options.rounds);
    return 0;
  }
  kernels(load, options.rounds);
  const Module module = load(0, true);
  stops(module);
  neighbours(module, options.rounds);
}
