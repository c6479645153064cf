// What a flip costs: one batch over 1 to 1 million sites, with nobody running and with busy threads, against its two
// floors.
//
//   flip/SITES/BUSY           a commit: expected bytes checked, every site written, one core serialisation
//   serialisation/BUSY        the core serialisation alone: the least that any flip can cost
//   blind_store/SITES         one 8-byte store a site in address order, through the same alias, nothing checked, nobody
//   told nothing_to_do             a commit that finds its key in the wanted state
//
// Sites are aligned words, one in 64 bytes of code (each with its function), in address order. Bias: a flip touches the
// same lines again and again, so up to the size of the caches they are warm; busy threads execute random sites and
// share the cores.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "engine/serialise/membarrier.h"
#include "shunt/engine.h"

namespace {

constexpr std::uint32_t stride = 64;

template <class T>
T must(shunt::Result<T> result) {
  if (result) return std::move(*result);
  std::fprintf(stderr, "%s\n", result.error().message().c_str());
  std::exit(1);
}

// Functions of one site each: site; ret; and the target: ret.
struct Program {
  explicit Program(std::uint32_t sites) : engine(must(shunt::Engine::create())), key("benchmark"), count(sites) {
    allocation = must(engine->allocate(std::size_t{sites} * stride));
    std::vector<std::uint32_t> targets(sites);
    std::vector<shunt::NewSite> all(sites);
    for (std::uint32_t i = 0; i < sites; ++i) {
      const std::uint32_t at = i * stride;
      const shunt::SiteBytes idle = shunt::idle_site(engine->instruction_set(), shunt::SiteForm::AlignedWord, at);
      std::memset(allocation.rw + at, 0xC3, stride);
      std::memcpy(allocation.rw + at, idle.bytes.data(), idle.length);
      targets[i] = at + 16;
      all[i] = {&key, shunt::SiteForm::AlignedWord, at, {&targets[i], 1}};
    }
    code = std::make_unique<shunt::Code>(must(engine->publish(allocation, all)));
  }

  std::unique_ptr<shunt::Engine> engine;
  shunt::StaticKey key;
  shunt::Engine::Allocation allocation;
  std::unique_ptr<shunt::Code> code;
  std::uint32_t count;
};

Program& program(std::uint32_t sites) {
  static std::unique_ptr<Program> kept;  // one at a time: a million sites are 64 MB of code
  if (kept == nullptr || kept->count != sites) {
    kept.reset();
    kept = std::make_unique<Program>(sites);
  }
  return *kept;
}

// Threads that execute random sites while this lives.
class Busy {
 public:
  Busy(const Program& runs, std::int64_t threads) {
    for (std::int64_t i = 0; i < threads; ++i) {
      threads_.emplace_back([this, &runs, i] {
        std::uint64_t random = 88172645463325252ULL + static_cast<std::uint64_t>(i);
        while (!stop_.load(std::memory_order_relaxed)) {
          random ^= random << 13, random ^= random >> 7, random ^= random << 17;
          runs.code->entry<void()>(std::size_t{static_cast<std::uint32_t>(random >> 20) % runs.count} * stride)();
        }
      });
    }
  }
  ~Busy() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  std::atomic<bool> stop_ = false;
  std::vector<std::thread> threads_;
};

// Times each call on its own and adds the median and the 99th percentile to the counters.
template <class Operation>
void measure(benchmark::State& state, Operation&& operation) {
  std::vector<double> nanoseconds;
  for (auto _ : state) {
    const auto begin = std::chrono::steady_clock::now();
    operation();
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
    nanoseconds.push_back(took.count());
    state.SetIterationTime(took.count() * 1e-9);
  }
  std::sort(nanoseconds.begin(), nanoseconds.end());
  state.counters["p50_ns"] = nanoseconds[nanoseconds.size() / 2];
  state.counters["p99_ns"] = nanoseconds[nanoseconds.size() * 99 / 100];
}

void flip(benchmark::State& state) {
  Program& runs = program(static_cast<std::uint32_t>(state.range(0)));
  const Busy busy(runs, state.range(1));
  shunt::PatchBatch batch(*runs.engine);
  bool on = runs.key.enabled();
  shunt::CommitReport report;
  measure(state, [&] {
    batch.set(runs.key, on = !on);
    report = must(batch.commit());
  });
  state.counters["check_ns"] = static_cast<double>(report.check_ns);
  state.counters["write_ns"] = static_cast<double>(report.write_ns);
}

void serialisation(benchmark::State& state) {
  Program& runs = program(1);
  const Busy busy(runs, state.range(0));
  const auto serialiser = must(shunt::detail::make_membarrier_serialiser());
  measure(state, [&] {
    if (!serialiser->serialise()) std::exit(1);
  });
}

void blind_store(benchmark::State& state) {
  Program& runs = program(static_cast<std::uint32_t>(state.range(0)));
  if (runs.key.enabled()) {
    shunt::PatchBatch batch(*runs.engine);
    batch.disable(runs.key);
    must(batch.commit());
  }
  std::uint64_t word;
  std::memcpy(&word, runs.allocation.rw, sizeof word);  // what stands there already, so that the code stays whole
  measure(state, [&] {
    for (std::uint32_t i = 0; i < runs.count; ++i) {
      auto* const at = reinterpret_cast<std::uint64_t*>(runs.allocation.rw + std::size_t{i} * stride);
      std::atomic_ref(*at).store(word, std::memory_order_relaxed);  // the floor: no order asked for
    }
  });
}

void nothing_to_do(benchmark::State& state) {
  Program& runs = program(1000);
  shunt::PatchBatch batch(*runs.engine);
  const bool on = runs.key.enabled();
  measure(state, [&] {
    batch.set(runs.key, on);
    must(batch.commit());
  });
}

BENCHMARK(serialisation)->Arg(0)->Arg(1)->Arg(4)->UseManualTime();
BENCHMARK(nothing_to_do)->UseManualTime();
BENCHMARK(flip)->ArgsProduct({{1, 1'000, 100'000, 1'000'000}, {0, 1, 4}})->UseManualTime();
BENCHMARK(blind_store)->Arg(1'000)->Arg(100'000)->Arg(1'000'000)->UseManualTime();

}  // namespace

BENCHMARK_MAIN();
