// Moments at which a flip is awkward: code that stands on the site, the end of the program.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <optional>
#include <thread>

#include "tests/engine/host_code.h"
#include "tests/engine/test_code.h"

namespace shunt::test {
namespace {

// Code that calls a function of the host on either path, and says which path it was on when the call returned: 10
// behind the site, 11 at its target.
class Caller {
 public:
  Caller(Engine& engine, StaticKey& key, SiteForm form, void (*function)()) {
    const std::vector<TestSite> sites = {{&key, form, 0, {path}}};
    const Engine::Allocation allocation = written_code(engine, 2 * path, sites);
    write_call_and_answer(allocation.staging + idle_site(host_set, form, 0).length, function, 10);
    write_call_and_answer(allocation.staging + path, function, 11);
    auto code = engine.publish(allocation, new_sites(sites));
    EXPECT_TRUE(code) << (code ? "" : code.error().message());
    if (code) code_ = std::move(*code);
  }
  [[nodiscard]] int call() const { return code_.entry<int()>()(); }

 private:
  static constexpr std::uint32_t path = 64;
  Code code_;
};

class HardMoments : public testing::Test {
 protected:
  void SetUp() override {
    auto engine = Engine::create();
    ASSERT_TRUE(engine) << engine.error().message();
    engine_ = std::move(*engine);
    current_ = this;
  }
  static void flip_from_the_site() {
    PatchBatch batch(*current_->engine_);
    batch.set(current_->key_, !current_->key_.enabled());
    if (!batch.commit()) ++current_->failed_;
  }
  static void queue_from_the_site() {
    PatchBatch batch(*current_->engine_);
    batch.set(current_->key_, !current_->key_.enabled());
    if (!batch.commit_async().wait()) ++current_->failed_;
  }

  static inline HardMoments* current_ = nullptr;
  StaticKey key_{"key"};
  std::unique_ptr<Engine> engine_;
  int failed_ = 0;
};

// The caller of the flip returns to the path that it came from and goes on there; the next call takes the other one.
TEST_F(HardMoments, CodeMayFlipTheSiteThatItStandsOn) {
  for (const SiteForm form : branch_forms) {
    for (void (*flip)() : {&flip_from_the_site, &queue_from_the_site}) {
      const bool on = key_.enabled();
      const Caller caller(*engine_, key_, form, flip);
      for (int i = 0; i < 100; ++i) ASSERT_EQ(caller.call(), 10 + (i % 2 != (on ? 1 : 0) ? 1 : 0));
      EXPECT_EQ(failed_, 0);
    }
  }
}

// Threads that begin and end while others commit: each that begins after a commit runs the new code from its first
// instruction on.
TEST_F(HardMoments, ThreadsBeginAndEndWhileOthersCommit) {
  static std::atomic<int> calls = 0;
  calls = 0;
  const Caller caller(*engine_, key_, toggle, +[] { ++calls; });
  StaticKey other("other");
  const Caller other_code(*engine_, other, SiteForm::AlignedWord, +[] {});
  std::atomic<bool> stop = false;
  std::thread committer([&] {
    PatchBatch batch(*engine_);
    for (bool on = true; !stop.load(std::memory_order_relaxed); on = !on) {
      batch.set(other, on);
      if (!batch.commit()) ++failed_;
    }
  });
  int wrong = 0;
  constexpr int threads = 300;
  for (int i = 0; i < threads; ++i) {
    PatchBatch batch(*engine_);
    batch.set(key_, i % 2 == 0);
    if (!batch.commit()) ++wrong;
    std::thread([&] { wrong += caller.call() == (i % 2 == 0 ? 11 : 10) ? 0 : 1; }).join();
  }
  stop = true;
  committer.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(failed_, 0);
  EXPECT_EQ(calls.load(), threads);
}

// The end of a program, in a process of its own: each returns the exit status 0 if all went as it should.
using HardMomentsDeathTest = HardMoments;

struct ExitWith {
  int status;
  ~ExitWith() { std::_Exit(status); }
};

int flip(Engine& engine, StaticKey& key) {
  PatchBatch batch(engine);
  batch.set(key, !key.enabled());
  return batch.commit() ? 0 : 1;
}

// Objects in static storage end in the reverse order of their making.
void keys_in_static_storage_around_an_engine() {
  static ExitWith last{0};
  static StaticKey* to_check = nullptr;
  static struct Checks {
    ~Checks() {
      if (!to_check->enabled()) last.status = 3;  // it outlived its engine, and keeps its state
    }
  } checks;
  static std::optional<StaticKey> before(std::in_place, "ends after the engine");
  to_check = &*before;
  static std::unique_ptr<Engine> engine = std::move(*Engine::create());
  static StaticKey after("ends before the engine");
  static struct Commits {
    ~Commits() { last.status |= flip(*engine, *before) | flip(*engine, after); }
  } commits;
  if (flip(*engine, after) != 0) last.status = 2;
  std::exit(1);
}

void commits_on_the_process_engine_while_it_ends() {
  static ExitWith last{0};
  static StaticKey key("in static storage");
  static Engine& engine = **Engine::process();
  static struct Commits {
    ~Commits() { last.status |= flip(engine, key); }
  } commits;
  std::atexit([] {
    last.status |= flip(engine, key);
    PatchBatch batch(engine);
    batch.set(key, !key.enabled());
    if (!batch.commit_async().wait()) last.status |= 4;
    if (!engine.request(key, true)) last.status |= 8;
  });
  if (!engine.start_service_thread()) last.status |= 16;
  std::exit(1);
}

TEST_F(HardMomentsDeathTest, KeysAndEnginesInStaticStorageMayEndInAnyOrder) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(keys_in_static_storage_around_an_engine(), testing::ExitedWithCode(0), "");
}

TEST_F(HardMomentsDeathTest, TheProcessEngineServesUntilTheProgramHasEnded) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(commits_on_the_process_engine_while_it_ends(), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace shunt::test
