// What a batch costs: sites from 1 to 1 million, nobody running or busy threads, beside its two floors and beside what
// others do.
//
//   flip/FORM/SITES/BUSY      a commit: expected bytes checked, every site written, one core serialisation (unaligned:
//                             three). Controls:
//                               membarrier   the core serialisation alone: the least that any flip can cost
//                               blind        one 8-byte store a site, nothing checked, nobody told
//   METHOD/SITES/BUSY         the same sites by other means (flip/other_methods.h). Control: membarrier
//   nothing_to_do             a commit that finds its key in the wanted state
//   paced/SITES/BUSY          a commit a while after the last one, for the 99th percentile. Control: membarrier, paced
//                             alike
//   independence              one site flipped in a program of 1 site. Controls: one site in programs of 1,000 and 1
//                             million sites
//   retarget/BUSY             one site that is on is sent elsewhere. Control: membarrier
//
// Busy threads execute random sites of the program that is flipped.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "benchmarks/flip/controls.h"
#include "benchmarks/flip/more.h"
#include "benchmarks/flip/other_methods.h"
#include "benchmarks/flip/program.h"
#include "benchmarks/support/busy.h"
#include "benchmarks/support/measure.h"

namespace shunt::bench {
namespace {

void flip(benchmark::State& state, SiteForm form) {
  Program& program = Program::of(form, static_cast<std::uint32_t>(state.range(0)));
  Busy busy(state.range(1), random_calls(*program.sites));
  CommitReport report;
  interleave(
      state, [&] { report = program.flip(); }, {membarrier_alone(), {"blind", [&] { program.sites->blind_store(); }}},
      preempted(state.range(1)), [&] { busy.wait_for_work(); });
  state.counters["check_ns"] = static_cast<double>(report.check_ns);
  state.counters["write_ns"] = static_cast<double>(report.write_ns);
  state.counters["serialisations"] = report.serialisations;
}

void other_method(benchmark::State& state, OtherMethod method) {
  static std::map<std::uint32_t, std::unique_ptr<OtherProgram>> kept;
  const auto sites = static_cast<std::uint32_t>(state.range(0));
  std::unique_ptr<OtherProgram>& program = kept[sites];
  if (program == nullptr) program = std::make_unique<OtherProgram>(sites);
  Busy busy(state.range(1), random_calls(*program));
  interleave(
      state, [&] { program->flip(method); }, {membarrier_alone()}, preempted(state.range(1)),
      [&] { busy.wait_for_work(); });
}

void nothing_to_do(benchmark::State& state) {
  Program& program = Program::of(SiteForm::AlignedWord, 1000);
  const bool on = program.key.enabled();
  interleave(state,
             [&] {
               program.batch->set(program.key, on);
               must(program.batch->commit());
             },
             {});
}

void paced(benchmark::State& state) {
  Program& program = Program::of(SiteForm::AlignedWord, static_cast<std::uint32_t>(state.range(0)));
  Busy busy(state.range(1), random_calls(*program.sites));
  interleave(
      state, [&] { program.flip(); }, {membarrier_alone()}, Preempted::Count,
      [&] {
        usleep(300);
        busy.wait_for_work();
      });
}

void independence(benchmark::State& state) {
  static LargeProgram one(1), thousand(1'000), million(smoke() ? 10'000 : 1'000'000);
  interleave(state, [] { one.flip(); },
             {{"thousand", [] { thousand.flip(); }}, {"million", [] { million.flip(); }}, membarrier_alone()});
}

// A switch whose one site is on, sent to and fro between two returns.
void retarget(benchmark::State& state) {
  const auto engine = must(Engine::create());
  StaticSwitch choice("choice", 2);
  const PublishedSites::Group group{&choice, 1};
  const PublishedSites sites(*engine, SiteForm::AlignedWord, std::span(&group, 1));
  PatchBatch batch(*engine);
  batch.set(choice, 1);
  must(batch.commit());
  const std::uint8_t* const code = sites.memory().rx;
  Busy busy(state.range(0), random_calls(sites));
  bool second = false;
  interleave(
      state,
      [&] {
        second = !second;
        batch.retarget(choice, code + sites.site(0), 1, code + (second ? second_return : first_return));
        must(batch.commit());
      },
      {membarrier_alone()}, preempted(state.range(0)), [&] { busy.wait_for_work(); });
}

void register_all() {
  using benchmark::RegisterBenchmark;
  const std::vector<std::int64_t> busy = {0, 1, 4};
  const std::int64_t most = smoke() ? 10'000 : 1'000'000;
  const std::vector<std::int64_t> few = {1, 1'000};
  const std::vector<std::int64_t> sizes = {1, 1'000, 20'000, 100'000, most};
  for (const auto& [name, form] : {std::pair{"word", SiteForm::AlignedWord}, {"toggle", SiteForm::Toggle}})
    RegisterBenchmark((std::string("flip/") + name).c_str(), flip, form)->ArgsProduct({sizes, busy})->UseManualTime();
  RegisterBenchmark("flip/unaligned", flip, SiteForm::Unaligned)
      ->ArgsProduct({{1, 1'000, 100'000, most}, {0, 1}})
      ->UseManualTime();
  RegisterBenchmark("mprotect_batch", other_method, OtherMethod::MprotectBatch)
      ->ArgsProduct({sizes, busy})
      ->UseManualTime();
  RegisterBenchmark("mprotect_site", other_method, OtherMethod::MprotectSite)
      ->ArgsProduct({few, {0, 1}})
      ->UseManualTime();
  RegisterBenchmark("proc_self_mem", other_method, OtherMethod::ProcSelfMem)
      ->ArgsProduct({{1, 1'000, 100'000}, {0, 1}})
      ->UseManualTime();
  RegisterBenchmark("nothing_to_do", nothing_to_do)->UseManualTime();
  RegisterBenchmark("paced", paced)->ArgsProduct({few, {4}})->UseManualTime()->Iterations(iterations(1500));
  RegisterBenchmark("independence", independence)->UseManualTime();
  RegisterBenchmark("retarget", retarget)->Arg(0)->Arg(1)->UseManualTime();
  register_more();
}

}  // namespace
}  // namespace shunt::bench

int main(int argc, char** argv) {
  return shunt::bench::run_main(argc, argv, shunt::bench::register_all);
}
