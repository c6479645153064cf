// fork() while an engine has code: both processes patch on, and neither sees the other's flips.
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "tests/engine/child.h"
#include "tests/engine/flips_under_threads.h"
#include "tests/engine/fork/forked_pair.h"
#include "tests/engine/test_code.h"

namespace shunt::test {
namespace {

// The inode of the memory object that is mapped at `address`: another object, another number.
unsigned long object_at(const void* address) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin = 0, end = 0, inode = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx %*s %*s %*s %lu", &begin, &end, &inode) != 3) continue;
    const auto at = reinterpret_cast<unsigned long>(address);
    if (begin <= at && at < end) return inode;
  }
  return 0;
}

// What this process's mappings of memory objects take, in KiB, and how many mappings it has.
struct Usage {
  unsigned long shared_kib = 0, mappings = 0;

  // Whether fewer than half of so many forks can have left a mapping or a page of theirs behind. Not exact: the heap
  // has mappings too, and the kernel sums up pages by processor, some dozens at a time.
  [[nodiscard]] bool left_nothing_since(const Usage& before, unsigned long forks) const {
    constexpr unsigned long fork_kib = 64;  // what a copy of the code takes at least
    return mappings < before.mappings + forks / 2 && shared_kib < before.shared_kib + forks * fork_kib / 2;
  }
};
Usage usage() {
  Usage found;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) std::sscanf(line.c_str(), "RssShmem: %lu", &found.shared_kib);
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) ++found.mappings;
  return found;
}

class ForkTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    EngineOptions options;
    options.code_reservation = 16 << 20;
    options.anonymous_code = GetParam();
    auto engine = Engine::create(options);
    ASSERT_TRUE(engine) << engine.error().message();
    engine_ = std::move(*engine);
    code_ = answering_code(*engine_, *key_);
  }
  bool commit(bool on) {
    PatchBatch batch(*engine_);
    batch.set(*key_, on);
    return batch.commit().has_value();
  }
  [[nodiscard]] int answer() const { return code_.entry<int()>()(); }
  [[nodiscard]] unsigned long object() const { return object_at(code_.data()); }

  std::optional<StaticKey> key_{std::in_place, "key"};
  std::unique_ptr<Engine> engine_;
  Code code_;
};

INSTANTIATE_TEST_SUITE_P(Backings, ForkTest, testing::Bool(),
                         [](const auto& instance) { return instance.param ? "Anonymous" : "MemoryFile"; });

TEST_P(ForkTest, TheParentDoesNotSeeTheChildsFlips) {
  const ForkedPair pair([&](const ForkedPair& both) {
    if (!commit(true) || answer() != 1) return 1;
    both.go();
    both.wait();
    return answer() == 1 && commit(false) && answer() == 0 ? 0 : 2;
  });
  pair.wait();
  EXPECT_EQ(answer(), 0);
  EXPECT_TRUE(commit(true));
  EXPECT_EQ(answer(), 1);
  EXPECT_TRUE(commit(false));
  EXPECT_EQ(answer(), 0);
  pair.go();
  EXPECT_EQ(pair.result(), 0);
}

TEST_P(ForkTest, TheChildDoesNotSeeTheParentsFlips) {
  const ForkedPair pair([&](const ForkedPair& both) {
    both.wait();
    if (answer() != 0 || key_->enabled()) return 1;
    if (!commit(true) || answer() != 1) return 2;
    both.go();
    both.wait();
    return answer() == 1 ? 0 : 3;
  });
  EXPECT_TRUE(commit(true));
  EXPECT_EQ(answer(), 1);
  pair.go();
  pair.wait();
  EXPECT_TRUE(commit(false));
  EXPECT_EQ(answer(), 0);
  pair.go();
  EXPECT_EQ(pair.result(), 0);
}

TEST_P(ForkTest, WhatWasAllocatedBeforeIsWrittenAndPublishedByEither) {
  auto allocation = engine_->allocate(16);
  ASSERT_TRUE(allocation);
  const auto publish = [&](std::uint32_t value) -> int {
    write_answer(allocation->staging, value);
    auto code = engine_->publish(*allocation, {});
    return code ? code->entry<int()>()() : -1;
  };
  write_answer(allocation->staging, 5);
  const ForkedPair pair([&](const ForkedPair& both) {
    if (publish(7) != 7) return 1;
    both.go();
    both.wait();
    return answer() == 0 ? 0 : 2;
  });
  pair.wait();
  EXPECT_EQ(publish(6), 6);
  pair.go();
  EXPECT_EQ(pair.result(), 0);
}

TEST_P(ForkTest, GrandchildrenPatchToo) {
  const ForkedPair pair([&](const ForkedPair&) {
    const ForkedPair second([&](const ForkedPair& both) {
      both.wait();
      return answer() == 0 && commit(true) && answer() == 1 && commit(false) && answer() == 0 ? 0 : 1;
    });
    if (!commit(true)) return 1;
    second.go();
    if (second.result() != 0) return 2;
    return answer() == 1 ? 0 : 3;
  });
  EXPECT_EQ(pair.result(), 0);
  EXPECT_EQ(answer(), 0);
}

TEST_P(ForkTest, AChildThatOnlyExecsCopiesNothing) {
  const unsigned long parents = object();
  ASSERT_NE(parents, 0U);
  EXPECT_EQ(in_child([&] {
              if (object() != parents) return 1;
              code_ = Code();
              key_.reset();
              if (object_at(engine_->allocate(16)->rx) != parents) return 2;  // nothing of this writes code memory
              execl("/bin/true", "true", nullptr);
              return 3;
            }),
            0);
  EXPECT_EQ(object(), parents) << "nobody has written since";
  EXPECT_TRUE(commit(true));
  EXPECT_NE(object(), parents) << "a child may have been there";
}

#ifndef __SANITIZE_THREAD__  // which makes a vfork() a fork()
TEST_P(ForkTest, VforkAndSpawnCostNothing) {
  const unsigned long before = object();
  const pid_t child = vfork();
  if (child == 0) {
    execl("/bin/true", "true", nullptr);
    _exit(1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  char name[] = "true";
  char* const arguments[] = {name, nullptr};
  pid_t spawned = 0;
  ASSERT_EQ(posix_spawn(&spawned, "/bin/true", nullptr, nullptr, arguments, environ), 0);
  ASSERT_EQ(waitpid(spawned, &status, 0), spawned);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(commit(true));
  EXPECT_EQ(answer(), 1);
  EXPECT_EQ(object(), before);
}
#endif

TEST_P(ForkTest, ManyForksLeaveNothingBehind) {
  const auto fork_and_flip = [&](bool on) {
    EXPECT_EQ(in_child([&] { return commit(on) && answer() == on ? 0 : 1; }), 0);
    EXPECT_TRUE(commit(on));
  };
  for (int i = 0; i < 4; ++i) fork_and_flip(i % 2 == 0);
  const Usage before = usage();
  for (int i = 0; i < 100; ++i) fork_and_flip(i % 2 == 0);
  const Usage after = usage();
  EXPECT_TRUE(after.left_nothing_since(before, 100))
      << after.mappings - before.mappings << " mappings, " << after.shared_kib - before.shared_kib << " KiB";
}

TEST_P(ForkTest, GenerationsOfChildrenLeaveNothingBehind) {
  EXPECT_EQ(in_child([&] {
              Usage first;
              for (int i = 0; i < 40; ++i) {
                if (i == 4) first = usage();
                const pid_t next = fork();
                if (next != 0) {  // the elder waits for what the younger says
                  int status = 0;
                  waitpid(next, &status, 0);
                  return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
                }
                if (!commit(i % 2 == 0) || answer() != (i % 2 == 0)) return 1;
              }
              const Usage last = usage();
              return last.left_nothing_since(first, 36) ? 0 : 2;
            }),
            0);
}

TEST_P(ForkTest, WhatEndsInTheChildLivesOnInTheParent) {
  EXPECT_EQ(in_child([&] {
              code_ = Code();
              engine_.reset();
              key_.reset();
              return 0;
            }),
            0);
  EXPECT_TRUE(commit(true));
  EXPECT_EQ(answer(), 1);
}

TEST_P(ForkTest, WhatIsFreedWhileTheObjectIsSharedTrapsWhenItIsNot) {
  EXPECT_EQ(in_child([&] {
              const std::uint8_t* const freed = code_.data();
              StaticKey other("other");
              const Code code = answering_code(*engine_, other);
              if (fork() != 0) {
                int status = 0;
                ::wait(&status);
                return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
              }
              code_ = Code();
              if (traps(freed)) return 3;  // the parent runs it
              PatchBatch batch(*engine_);
              batch.enable(other);
              if (!batch.commit()) return 4;
              return traps(freed) ? 0 : 5;
            }),
            0);
  EXPECT_EQ(answer(), 0);
}

#ifndef __SANITIZE_THREAD__  // whose own tables need address space too
// No address space to copy to: the error says so, nothing is lost, and it can be tried again.
TEST_P(ForkTest, ACopyThatFailsIsANamedErrorAndLosesNothing) {
  EXPECT_EQ(in_child([&] {
              rlimit space{};
              getrlimit(RLIMIT_AS, &space);
              const rlimit none{64 << 20, space.rlim_max};
              const rlim_t all = space.rlim_cur;
              if (setrlimit(RLIMIT_AS, &none) != 0) return 1;
              PatchBatch batch(*engine_);
              batch.enable(*key_);
              const auto refused = batch.commit();
              const auto published = engine_->publish(*engine_->allocate(16), {});
              space.rlim_cur = all;
              setrlimit(RLIMIT_AS, &space);
              if (refused || refused.error().code() != ErrorCode::CodeMemoryUnavailable) return 2;
              if (refused.error().message().find("fork()") == std::string::npos) return 3;
              if (published || answer() != 0 || key_->enabled()) return 4;
              return commit(true) && answer() == 1 && commit(false) && answer() == 0 ? 0 : 5;
            }),
            0);
}
#endif

// The kernel has no page for more code: nothing is published, what stands is executed and flipped on.
TEST_P(ForkTest, WithoutMemoryNothingIsPublishedAndTheRestGoesOn) {
  EXPECT_EQ(in_child([&] {
              if (!commit(true)) return 1;  // the child's own code memory, while there is memory
              filter_system_calls({{SYS_madvise, SECCOMP_RET_ERRNO | ENOMEM}});
              const auto big = engine_->allocate(1 << 20);
              if (!big) return 2;
              const auto refused = engine_->publish(*big, {});
              if (refused) return 3;
              if (refused.error().code() != ErrorCode::CodeMemoryUnavailable) return 4;
              if (refused.error().message().find("no memory for code") == std::string::npos) return 5;
              const auto small = engine_->publish(*engine_->allocate(16), {});  // where there is memory already
              return small && answer() == 1 && commit(false) && answer() == 0 ? 0 : 6;
            }),
            0);
}

TEST_P(ForkTest, UnderAFileSizeLimitTheCopyIsAnonymous) {
  EXPECT_EQ(in_child([&] {
              const rlimit none{0, 0};
              if (setrlimit(RLIMIT_FSIZE, &none) != 0) return 1;
              return commit(true) && answer() == 1 ? 0 : 2;
            }),
            0);
  EXPECT_EQ(answer(), 0);
}

// Without the handlers that fork() runs, the engine still knows that the process is not the one that it belongs to.
TEST_P(ForkTest, AfterARawCloneOnlyExecIsSupported) {
  std::fflush(nullptr);
  const long child = syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  if (child == 0) {
    if (answer() != 0) _exit(1);
    PatchBatch batch(*engine_);
    batch.enable(*key_);
    const auto flipped = batch.commit();
    if (flipped || flipped.error().code() != ErrorCode::Unsupported) _exit(2);
    if (flipped.error().message().find("clone") == std::string::npos) _exit(3);
    const auto published = engine_->publish(*engine_->allocate(16), {});
    if (published || published.error().code() != ErrorCode::Unsupported) _exit(4);
    execl("/bin/true", "true", nullptr);
    _exit(5);
  }
  int status = -1;
  ASSERT_EQ(waitpid(static_cast<pid_t>(child), &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(answer(), 0);
  EXPECT_TRUE(commit(true));
}

TEST_P(ForkTest, TheChildMayMakeAnEngineOfItsOwn) {
  EXPECT_EQ(in_child([&] {
              auto own = Engine::create();
              if (!own) return 1;
              StaticKey key("the child's");
              const Code code = answering_code(**own, key);
              PatchBatch batch(**own);
              batch.enable(key);
              return batch.commit() && code.entry<int()>()() == 1 && commit(true) && answer() == 1 ? 0 : 2;
            }),
            0);
}

// Locks that other threads hold at the moment of the fork, and batches that they wait with, must not be stuck in the
// child; and the parent's threads execute and flip while its memory object is replaced.
TEST_P(ForkTest, ForksWhileOthersExecuteAndFlip) {
  std::atomic<bool> stop = false;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      while (!stop.load(std::memory_order_relaxed)) wrong += answer() != 0 && answer() != 1;
    });
  }
  StaticKey other("other");
  const Code others = answering_code(*engine_, other);
  threads.emplace_back([&] {
    PatchBatch batch(*engine_);
    for (bool on = true; !stop.load(std::memory_order_relaxed); on = !on) {
      batch.set(other, on);
      const auto report = batch.commit();
      wrong += !report || others.entry<int()>()() != on;
    }
  });
  int status = 0;
  for (int i = 0; i < 60 && status == 0; ++i) {
    status = in_child([&] {
      alarm(60);  // a stuck lock ends the child
      if (!commit(true) || answer() != 1) return 1;
      PatchBatch batch(*engine_);
      const bool on = others.entry<int()>()() == 0;
      batch.set(other, on);
      if (!batch.commit() || others.entry<int()>()() != on) return 2;
      return commit(false) && answer() == 0 ? 0 : 3;
    });
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(status, 0);
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(answer(), 0);
}

}  // namespace
}  // namespace shunt::test
