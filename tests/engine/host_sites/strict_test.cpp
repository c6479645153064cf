// Host sites that are rewritten by breakpoints: only on the embedder's word.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>

#include "shunt/engine.h"
#include "shunt/host_site.h"
#include "tests/engine/child.h"

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

#ifndef __SANITIZE_THREAD__  // under which no broadcast of signals succeeds (tests/engine/CMakeLists.txt)
// A thread that blocks the signal of core serialisations holds a batch up with its breakpoints in the text. In a forked
// child there is no such thread: the batch is carried on there, in text of the child's own.
void fork_while_held_up() {
  EngineOptions options;
  options.cross_modification = CrossModification::Strict;
  options.breakpoints_in_host_text = true;
  options.serialisation = Serialisation::Signals;
  options.serialisation_timeout = std::chrono::milliseconds(50);
  const auto made = Engine::make_process(options);
  if (!made) _exit(1);
  Engine& engine = **made;
  std::atomic<bool> blocks = false, stop = false;
  std::thread blocker([&] {
    sigset_t urgent, before;
    sigemptyset(&urgent);
    sigaddset(&urgent, SIGURG);
    pthread_sigmask(SIG_BLOCK, &urgent, &before);
    blocks = true;
    while (!stop) std::this_thread::yield();
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  });
  while (!blocks) std::this_thread::yield();
  const auto held_up = set(engine, true);
  if (held_up || held_up.error().code() != ErrorCode::SerialisationFailed) _exit(2);
  if (look() != 1 || key.enabled()) _exit(3);  // by the breakpoint
  const int child = in_child([&] {
    if (!engine.resynchronise() || look() != 1 || !key.enabled()) return 1;
    return set(engine, false) && look() == 0 && set(engine, true) && look() == 1 && set(engine, false) ? 0 : 2;
  });
  if (child != 0) _exit(4);
  if (look() != 1 || key.enabled()) _exit(5);  // the parent's text is as it was
  stop = true;
  blocker.join();
  if (!engine.resynchronise() || look() != 1 || !key.enabled()) _exit(6);
  _exit(set(engine, false) && look() == 0 ? 0 : 7);
}
#endif

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

#ifndef __SANITIZE_THREAD__
TEST_F(HostBreakpointsDeathTest, ABatchThatIsHeldUpIsCarriedOnInTheChild) {
  EXPECT_EXIT(fork_while_held_up(), testing::ExitedWithCode(0), "");
}
#endif

}  // namespace
}  // namespace shunt::test
