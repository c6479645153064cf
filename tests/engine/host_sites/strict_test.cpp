// Host sites that are rewritten by breakpoints: only on the embedder's word.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "shunt/engine.h"
#include "shunt/host_site.h"

namespace shunt::test {
namespace {

StaticKey key{"strict"};

[[gnu::noinline]] int look() {
  asm volatile("");
  return SHUNT_UNLIKELY(key) ? 1 : 0;
}

Result<CommitReport> set(Engine& engine, bool on) {
  PatchBatch batch(engine);
  batch.set(key, on);
  return batch.commit();
}

void without_the_embedders_word() {
  EngineOptions options;
  options.cross_modification = CrossModification::Strict;
  const auto engine = Engine::make_process(options);
  if (!engine) _exit(1);
  const auto report = set(**engine, true);
  if (report || report.error().code() != ErrorCode::BreakpointsForbidden) _exit(2);
  if (report.error().message().find("breakpoints_in_host_text") == std::string::npos) _exit(3);
  _exit(look() == 0 && !key.enabled() ? 0 : 4);
}

void with_it() {
  EngineOptions options;
  options.cross_modification = CrossModification::Strict;
  options.breakpoints_in_host_text = true;
  const auto engine = Engine::make_process(options);
  if (!engine) _exit(1);
  std::atomic<bool> stop = false;
  std::atomic<int> seen = 0;
  std::thread runner([&] {
    while (!stop) seen |= 1 << look();
  });
  for (int i = 1; i <= 2000 || seen != 3; ++i) {
    const auto report = set(**engine, i % 2 != 0);
    if (!report || report->serialisations != 3) _exit(2);
    if (look() != i % 2) _exit(3);
  }
  stop = true;
  runner.join();
  _exit(Engine::make_process(options) ? 4 : 0);  // it was made before
}

class HostBreakpointsDeathTest : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(HostBreakpointsDeathTest, AreRefusedWithoutTheEmbeddersWord) {
  EXPECT_EXIT(without_the_embedders_word(), testing::ExitedWithCode(0), "");
}

TEST_F(HostBreakpointsDeathTest, AreUsedOnTheEmbeddersWord) {
  EXPECT_EXIT(with_it(), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace shunt::test
