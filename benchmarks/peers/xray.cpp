// LLVM XRay's patch and unpatch, as clang 19's runtime does them, of 20,000 sleds: 10,000 functions with one at the
// entry and one at the exit.
//
//   xray/map/BUSY        __xray_patch() and __xray_unpatch() by turns: every sled of the program
//   xray/function/BUSY   __xray_patch_function() and __xray_unpatch_function() by turns: the two sleds of one function
//
// Neither tells running threads: there is no core serialisation, and a thread may run the old sled long after. The text
// is writable and executable for a moment. Control: membarrier, which XRay would need to make such a promise.
// Busy threads call random functions.
#include <benchmark/benchmark.h>
#include <xray/xray_interface.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "benchmarks/support/busy.h"
#include "benchmarks/support/measure.h"
#include "engine/serialise/membarrier.h"

namespace shunt::bench {
namespace {

constexpr std::size_t functions = 10'000;

volatile std::uint32_t sink;

template <std::size_t Number>
[[clang::xray_always_instrument, gnu::noinline]] void instrumented() {
  sink = Number;
}

template <std::size_t... Numbers>
constexpr std::array<void (*)(), sizeof...(Numbers)> table_of(std::index_sequence<Numbers...>) {
  return {&instrumented<Numbers>...};
}
constexpr auto table = table_of(std::make_index_sequence<functions>());

void call_random(std::uint64_t random) {
  table[random % functions]();
}

Operation membarrier_alone() {
  static const auto serialiser = must(detail::make_membarrier_serialiser());
  return {"membarrier", [] {
            if (!serialiser->serialise()) fail("membarrier failed");
          }};
}

void must_patch(XRayPatchingStatus status) {
  if (status != XRayPatchingStatus::SUCCESS) fail("XRay did not patch");
}

void map(benchmark::State& state) {
  Busy busy(state.range(0), call_random);
  bool on = false;
  interleave(
      state,
      [&] {
        on = !on;
        must_patch(on ? __xray_patch() : __xray_unpatch());
      },
      {membarrier_alone()}, Preempted::Count, [&] { busy.wait_for_work(); });
  must_patch(__xray_unpatch());
  state.counters["sleds"] = 2.0 * static_cast<double>(functions);
}

void function(benchmark::State& state) {
  Busy busy(state.range(0), call_random);
  const std::int32_t id = static_cast<std::int32_t>(__xray_max_function_id()) / 2;
  bool on = false;
  interleave(
      state,
      [&] {
        on = !on;
        must_patch(on ? __xray_patch_function(id) : __xray_unpatch_function(id));
      },
      {membarrier_alone()}, Preempted::Count, [&] { busy.wait_for_work(); });
  must_patch(__xray_unpatch_function(id));
}

void register_all() {
  if (__xray_max_function_id() < functions) fail("the program holds fewer sleds than it was made of");
  benchmark::RegisterBenchmark("xray/map", map)->Arg(0)->Arg(1)->Arg(4)->UseManualTime();
  benchmark::RegisterBenchmark("xray/function", function)->Arg(0)->Arg(1)->Arg(4)->UseManualTime();
}

}  // namespace
}  // namespace shunt::bench

int main(int argc, char** argv) {
  return shunt::bench::run_main(argc, argv, shunt::bench::register_all);
}
