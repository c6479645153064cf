// How the cost of a flip grows: with the sites it rewrites, with the program around them, with the threads that run.
//
//   scale/SITES/BUSY     a commit of one key with SITES sites, 1 to 10 million. Controls:
//                          membarrier   the core serialisation alone
//                          blind        one 8-byte store a site, nothing checked, nobody told
//   program/SITES        one site flipped in a program of SITES, 1 to 10 million. Control: membarrier
//   threads/SITES/BUSY   a commit while BUSY threads, 1 to 64, execute random sites of what is flipped. Control:
//   membarrier
//
// How often each is done is fixed, so that a program is made once. Sites of 10 million take 1.5 GB while they are made.
// Bias: with more threads than processors, an operation that loses its processor waits for the scheduler's turn. Such
// samples count, in the controls as well.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "benchmarks/flip/controls.h"
#include "benchmarks/flip/program.h"
#include "benchmarks/support/busy.h"
#include "benchmarks/support/measure.h"

namespace shunt::bench {
namespace {

void scale(benchmark::State& state) {
  Program program(SiteForm::AlignedWord, static_cast<std::uint32_t>(state.range(0)));
  Busy busy(state.range(1), random_calls(*program.sites));
  interleave(
      state, [&] { program.flip(); }, {membarrier_alone(), {"blind", [&] { program.sites->blind_store(); }}},
      preempted(state.range(1)), [&] { busy.wait_for_work(); });
}

void one_of_many(benchmark::State& state) {
  LargeProgram program(static_cast<std::uint32_t>(state.range(0)));
  interleave(state, [&] { program.flip(); }, {membarrier_alone()});
}

void threads(benchmark::State& state) {
  Program program(SiteForm::AlignedWord, static_cast<std::uint32_t>(state.range(0)));
  Busy busy(state.range(1), random_calls(*program.sites));
  interleave(state, [&] { program.flip(); }, {membarrier_alone()}, Preempted::Count, [&] { busy.wait_for_work(); });
}

void register_all() {
  using benchmark::RegisterBenchmark;
  const std::int64_t most = smoke() ? 10'000 : 10'000'000;
  for (std::int64_t sites = 1; sites <= most; sites *= 10) {
    const std::int64_t times = iterations(std::clamp<std::int64_t>(10'000'000 / sites, 5, 2'000));
    for (const std::int64_t busy : {0, 1})
      RegisterBenchmark("scale", scale)->Args({sites, busy})->Iterations(times)->UseManualTime();
    RegisterBenchmark("program", one_of_many)->Arg(sites)->Iterations(iterations(2'000))->UseManualTime();
  }
  for (const std::int64_t sites : {1, 1'000})
    for (const std::int64_t busy : {1, 2, 4, 8, 16, 32, 64})
      RegisterBenchmark("threads", threads)->Args({sites, busy})->Iterations(iterations(200))->UseManualTime();
}

}  // namespace
}  // namespace shunt::bench

int main(int argc, char** argv) {
  return shunt::bench::run_main(argc, argv, shunt::bench::register_all);
}
