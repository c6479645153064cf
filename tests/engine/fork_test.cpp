// fork() while an engine has code: the parent's code is out of the child's reach.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <thread>

#include "tests/engine/test_code.h"

namespace shunt::test {
namespace {

// Runs `body` in a child; its result is the exit status.
int in_child(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

class ForkTest : public testing::Test {
 protected:
  void SetUp() override {
    auto engine = Engine::create();
    ASSERT_TRUE(engine) << engine.error().message();
    engine_ = std::move(*engine);
    const std::vector<TestSite> sites = {{&*key_, SiteForm::Toggle, 0, {8}}};
    const Engine::Allocation allocation = written_code(*engine_, 16, sites, 0xC3);  // site; ret; at 8: ret
    auto code = engine_->publish(allocation, new_sites(sites));
    ASSERT_TRUE(code) << code.error().message();
    code_ = std::move(*code);
  }
  bool commit(bool on) {
    PatchBatch batch(*engine_);
    batch.set(*key_, on);
    return batch.commit().has_value();
  }

  std::optional<StaticKey> key_{std::in_place, "key"};
  std::unique_ptr<Engine> engine_;
  Code code_;
};

TEST_F(ForkTest, TheChildRunsCodeButCannotWriteIt) {
  EXPECT_EQ(in_child([&] {
              code_.entry<void()>()();
              PatchBatch batch(*engine_);
              batch.enable(*key_);
              const auto flipped = batch.commit();
              if (flipped || flipped.error().code() != ErrorCode::Unsupported) return 1;
              if (flipped.error().message().find("fork()") == std::string::npos) return 2;
              const auto allocation = engine_->allocate(16);
              if (!allocation || engine_->publish(*allocation, {})) return 3;
              if (engine_->resynchronise()) return 4;
              batch.disable(*key_);
              if (!batch.commit()) return 5;  // nothing to do is still nothing to do
              return engine_->instruction_now(engine_->sites(code_)[0]) == "test eax, 0x3" ? 0 : 6;
            }),
            0);
  EXPECT_TRUE(commit(true));
}

TEST_F(ForkTest, WhatEndsInTheChildLivesOnInTheParent) {
  EXPECT_EQ(in_child([&] {
              code_ = Code();
              engine_.reset();
              key_.reset();
              return 0;
            }),
            0);
  EXPECT_EQ(code_.data()[0], 0xA9);
  EXPECT_TRUE(commit(true));
  EXPECT_EQ(code_.data()[0], 0xE9);
}

TEST_F(ForkTest, TheChildMayMakeAnEngineOfItsOwn) {
  EXPECT_EQ(in_child([&] {
              auto own = Engine::create();
              if (!own) return 1;
              StaticKey key("the child's");
              const Code code = published(**own, 16, {{&key, SiteForm::Toggle, 0, {8}}});
              PatchBatch batch(**own);
              batch.enable(key);
              return batch.commit() && code.data()[0] == 0xE9 ? 0 : 2;
            }),
            0);
}

// Locks that other threads hold at the moment of the fork must not be stuck in the child.
TEST_F(ForkTest, ForksWhileOthersCommit) {
  std::atomic<bool> stop = false;
  std::thread flipper([&] {
    for (bool on = true; !stop.load(std::memory_order_relaxed); on = !on) commit(on);
  });
  int status = 0;
  for (int i = 0; i < 400 && status == 0; ++i) {
    status = in_child([&] {
      alarm(10);  // a stuck lock ends the child
      if (engine_->sites(code_).size() != 1) return 1;
      code_ = Code();
      return 0;
    });
  }
  stop = true;
  flipper.join();
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace shunt::test
