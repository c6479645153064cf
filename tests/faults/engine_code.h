// An engine, a key and code that returns the key's state, for sweeps.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/engine/host_code.h"
#include "tests/engine/test_code.h"
#include "tests/faults/sweep.h"

namespace shunt::faults {

inline EngineOptions small(Serialisation serialisation = Serialisation::Any) {
  EngineOptions options;
  options.code_reservation = std::size_t{4} << 20;
  options.serialisation = serialisation;
  options.serialisation_timeout = std::chrono::milliseconds(50);
  return options;
}

// Code whose first instruction is the key's site of this form; the rest of `size` bytes is traps.
inline Result<Code> publish_answers(Engine& engine, StaticKey& key, SiteForm form = SiteForm::AlignedWord,
                                    std::size_t size = 64) {
  auto allocation = engine.allocate(size);
  if (!allocation) return allocation.error();
  const std::vector<test::TestSite> sites = {{&key, form, 0, {32}}};
  test::write_code(engine, *allocation, sites, test::trap_byte);
  test::write_answer(allocation->staging + idle_site(engine.instruction_set(), form, 0).length, 0);
  test::write_answer(allocation->staging + 32, 1);
  return engine.publish(*allocation, test::new_sites(sites));
}

inline Status commit(Engine& engine, StaticKey& key, bool on) {
  PatchBatch batch(engine);
  batch.set(key, on);
  auto report = batch.commit();
  return status_of(report);
}

// What a failed call may not change in an engine that has this key and code: counters of what was done, what the code
// returns, what its sites hold, free room and who is attached.
struct Answering {
  std::optional<StaticKey> key;
  std::unique_ptr<Engine> engine;
  Code code;

  void make(const EngineOptions& options) {
    auto made = Engine::create(options);
    ASSERT_TRUE(made) << made.error().message();
    engine = std::move(*made);
    key.emplace("answer");
    auto published = publish_answers(*engine, *key);
    ASSERT_TRUE(published) << published.error().message();
    code = std::move(*published);
  }
  [[nodiscard]] int answer() const { return code.entry<int()>()(); }
  [[nodiscard]] std::string state() const {
    const EngineStats stats = engine->stats();
    std::string text = "answer " + std::to_string(answer()) + ", key " + std::to_string(key->enabled()) + ", keys " +
                       std::to_string(stats.keys) + ", sites " + std::to_string(stats.sites) + ", free " +
                       std::to_string(stats.code_bytes_free) + ", threads " + std::to_string(engine->threads().size()) +
                       ", site";
    for (const SiteInfo& site : engine->sites(code)) text += " " + engine->instruction_now(site);
    return text;
  }
  // That everything still is possible with this engine: flips, new code.
  void works() {
    const bool on = key->enabled();
    StaticKey other("published later");
    auto later = publish_answers(*engine, other);
    ASSERT_TRUE(later) << later.error().message();
    for (const bool wanted : {!on, on}) {
      for (StaticKey* flipped : {&*key, &other}) {
        const Status status = commit(*engine, *flipped, wanted);
        EXPECT_TRUE(status) << (status ? "" : status.error().message());
      }
      EXPECT_EQ(answer(), wanted ? 1 : 0);
      EXPECT_EQ(later->entry<int()>()(), wanted ? 1 : 0);
    }
  }
  void end() {
    code = Code();
    engine.reset();
    key.reset();
  }
};

}  // namespace shunt::faults
