#include "benchmarks/flip/more.h"

#include <benchmark/benchmark.h>
#include <malloc.h>

#include <array>
#include <barrier>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "benchmarks/flip/controls.h"
#include "benchmarks/flip/program.h"
#include "benchmarks/support/busy.h"
#include "benchmarks/support/measure.h"
#include "shunt/engine.h"
#include "shunt/host_site.h"

namespace shunt::bench {
namespace {

constinit StaticKey one_site("one host site");
constinit StaticKey thousand_sites("a thousand host sites");
volatile std::uint32_t sink;

template <auto& key, std::size_t Number>
[[gnu::noinline]] void host_function() {
  if (SHUNT_UNLIKELY(key)) sink = Number;
}

// The functions that hold the host sites of a key.
template <auto& key, std::size_t... Numbers>
constexpr std::array<void (*)(), sizeof...(Numbers)> host_functions(std::index_sequence<Numbers...>) {
  return {&host_function<key, Numbers>...};
}
constexpr auto one_function = host_functions<one_site>(std::make_index_sequence<1>());
constexpr auto thousand_functions = host_functions<thousand_sites>(std::make_index_sequence<1'000>());

struct HostCode {
  std::span<void (*const)()> functions;
  void call(std::uint32_t function) const { functions[function](); }
  [[nodiscard]] std::uint32_t count() const noexcept { return static_cast<std::uint32_t>(functions.size()); }
};

void host(benchmark::State& state) {
  const bool one = state.range(0) == 1;
  StaticKey& key = one ? one_site : thousand_sites;
  const HostCode code{one ? std::span<void (*const)()>(one_function) : thousand_functions};
  Program& own = Program::of(SiteForm::Toggle, code.count());
  PatchBatch batch(*must(Engine::process()));
  const auto flip = [&] {
    batch.set(key, !key.enabled());
    must(batch.commit());
  };
  flip();  // the first one moves the text
  Busy busy(state.range(1), random_calls(code));
  interleave(state, flip, {{"alias", [&] { own.flip(); }}, membarrier_alone()}, preempted(state.range(1)),
             [&] { busy.wait_for_work(); });
}

void by_signals(benchmark::State& state) {
  EngineOptions options;
  options.serialisation = Serialisation::Signals;
  Program program(SiteForm::AlignedWord, 1, options);
  Busy busy(state.range(0), random_calls(*program.sites));
  interleave(
      state, [&] { program.flip(); }, {membarrier_alone()}, preempted(state.range(0)), [&] { busy.wait_for_work(); });
}

// Threads that commit when they are told to, all at once.
class Committers {
 public:
  explicit Committers(std::size_t threads) : start_(parties(threads)), done_(parties(threads)) {
    std::vector<PublishedSites::Group> groups;
    for (std::size_t i = 0; i < threads; ++i) {
      keys_.push_back(std::make_unique<StaticKey>("committer"));
      groups.push_back({keys_.back().get(), 1});
    }
    sites_ = std::make_unique<PublishedSites>(*engine_, SiteForm::AlignedWord, groups);
    for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this, i] { commit_when_told(i); });
  }
  ~Committers() {
    stop_ = true;
    start_.arrive_and_wait();
    for (std::thread& thread : threads_) thread.join();
  }
  Committers(const Committers&) = delete;
  Committers& operator=(const Committers&) = delete;

  // Every thread commits once; returns when all have.
  void commit_together() {
    start_.arrive_and_wait();
    done_.arrive_and_wait();
  }

  // The same by the calling thread.
  void commit_alone() {
    PatchBatch batch(*engine_);
    for (const auto& key : keys_) {
      batch.set(*key, !key->enabled());
      must(batch.commit());
    }
  }

  // Of the engine, so far.
  [[nodiscard]] std::uint64_t serialisations() const {
    std::uint64_t sum = 0;
    for (const auto& mechanism : engine_->stats().serialisations) sum += mechanism.count;
    return sum;
  }

 private:
  static std::ptrdiff_t parties(std::size_t threads) { return static_cast<std::ptrdiff_t>(threads) + 1; }

  void commit_when_told(std::size_t number) {
    pin(number);
    PatchBatch batch(*engine_);
    for (start_.arrive_and_wait(); !stop_; start_.arrive_and_wait()) {
      batch.set(*keys_[number], !keys_[number]->enabled());
      must(batch.commit());
      done_.arrive_and_wait();
    }
  }

  std::unique_ptr<Engine> engine_ = must(Engine::create());
  std::vector<std::unique_ptr<StaticKey>> keys_;
  std::unique_ptr<PublishedSites> sites_;
  std::barrier<> start_, done_;
  bool stop_ = false;  // written before the last start_, read after it
  std::vector<std::thread> threads_;
};

void group(benchmark::State& state) {
  const auto threads = static_cast<std::size_t>(state.range(0));
  Committers committers(threads);
  std::uint64_t together = 0, made = 0;
  interleave(
      state,
      [&] {
        const std::uint64_t before = committers.serialisations();
        committers.commit_together();
        made += committers.serialisations() - before;
        together += threads;
      },
      {{"alone", [&] { committers.commit_alone(); }}}, Preempted::Count);
  state.counters["serialisations_a_batch"] = static_cast<double>(made) / static_cast<double>(together);
}

std::size_t heap_in_use() noexcept {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

void metadata(benchmark::State& state) {
  const std::uint32_t sites = smoke() ? 10'000 : 1'000'000;
  for (auto _ : state) {
    const auto engine = must(Engine::create());
    StaticSwitch key("metadata", static_cast<unsigned>(state.range(0)));
    const PublishedSites::Group one{&key, sites};
    const std::size_t before = heap_in_use();
    const PublishedSites published(*engine, SiteForm::AlignedWord, std::span(&one, 1));
    state.counters["bytes_a_site"] = static_cast<double>(heap_in_use() - before) / sites;
  }
}

void metadata_of_host_sites(benchmark::State& state) {
  for (auto _ : state) {
    const std::ptrdiff_t table = reinterpret_cast<const std::uint8_t*>(detail::host_module.end) -
                                 reinterpret_cast<const std::uint8_t*>(detail::host_module.begin);
    state.counters["bytes_a_site"] =
        static_cast<double>(table) / static_cast<double>(one_function.size() + thousand_functions.size());
  }
}

}  // namespace

void register_more() {
  using benchmark::RegisterBenchmark;
  RegisterBenchmark("host", host)->ArgsProduct({{1, 1'000}, {0, 1, 4}})->UseManualTime();
  RegisterBenchmark("signal", by_signals)->Arg(0)->Arg(1)->UseManualTime();
  RegisterBenchmark("group", group)->ArgsProduct({{1, 2, 4, 8, 16, 32, 64}})->UseManualTime();
  RegisterBenchmark("metadata", metadata)->Arg(2)->Arg(3)->Iterations(1);
  RegisterBenchmark("metadata/host", metadata_of_host_sites)->Iterations(1);
}

}  // namespace shunt::bench
