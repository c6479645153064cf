// Flips of one site while threads execute it, in a few milliseconds: what a test does to see that an engine works as it
// was made. The long run is tests/stress/engine.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "shunt/engine.h"
#include "tests/engine/host_code.h"
#include "tests/engine/test_code.h"
#include "tests/stress/engine/running_code.h"

namespace shunt::test {

// A function that returns its key's state: an idle site, then the answers.
inline Code answering_code(Engine& engine, StaticKey& key) {
  const std::vector<TestSite> sites = {{&key, SiteForm::AlignedWord, 0, {32}}};
  const Engine::Allocation allocation = written_code(engine, 64, sites, trap_byte);
  write_answer(allocation.staging + idle_site(engine.instruction_set(), SiteForm::AlignedWord, 0).length, 0);
  write_answer(allocation.staging + 32, 1);
  auto code = engine.publish(allocation, new_sites(sites));
  EXPECT_TRUE(code) << (code ? "" : code.error().message());
  return code ? std::move(*code) : Code();
}

// Empty if all went well, else what did not.
inline std::string flips_under_threads(Engine& engine, std::string_view mechanism, int flips = 300,
                                       unsigned threads = 2) {
  StaticKey key("flipped under threads");
  const Code code = answering_code(engine, key);
  int (*const function)() = code.entry<int()>();
  // See running_code.h for their order.
  std::atomic<std::uint64_t> begun = 0, completed = 0;
  std::atomic<bool> stop = false;
  std::vector<Counts> counts(threads);
  std::vector<std::thread> runners;
  for (Counts& mine : counts) {
    runners.emplace_back([&] {
      while (!stop.load(std::memory_order_relaxed)) {
        const std::uint64_t before = completed.load(std::memory_order_acquire);
        const int found = function();
        mine.add(found, before, begun.load(std::memory_order_acquire), 2);
      }
    });
  }
  std::string problem;
  PatchBatch batch(engine);
  for (int flip = 1; flip <= flips && problem.empty(); ++flip) {
    begun.store(static_cast<std::uint64_t>(flip), std::memory_order_release);
    batch.set(key, flip % 2 != 0);
    const auto report = batch.commit();
    if (!report) problem = report.error().message();
    if (report && report->mechanism != mechanism) problem = "serialised by " + std::string(report->mechanism);
    completed.store(static_cast<std::uint64_t>(flip), std::memory_order_release);
    if (function() != flip % 2) problem = "a flip was lost";
  }
  stop.store(true, std::memory_order_relaxed);
  for (std::thread& runner : runners) runner.join();
  for (const Counts& mine : counts) {
    if (mine.wrong()) problem += " an old or a torn instruction was executed";
  }
  return problem;
}

}  // namespace shunt::test
