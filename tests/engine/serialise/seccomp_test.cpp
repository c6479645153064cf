// Engines under real seccomp filters: each falls back, or fails with an error that names what was tried; none is
// killed.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdio>

#include "engine/serialise/membarrier.h"
#include "tests/engine/child.h"
#include "tests/engine/flips_under_threads.h"

namespace shunt::test {
namespace {

constexpr std::uint32_t with_errno(int error) {
  return SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error);
}

// Makes an engine under the filter and flips under running threads; says how each commit serialised.
[[noreturn]] void flip_under(std::initializer_list<Rule> rules, std::string_view mechanism,
                             EngineOptions options = {}) {
  filter_system_calls(rules);
  const auto engine = Engine::create(options);
  std::string problem;
  if (!engine) {
    problem = std::string(name_of(engine.error().code())) + ": " + engine.error().message();
  } else {
    problem = flips_under_threads(**engine, mechanism);
  }
  if (waitpid(-1, nullptr, __WALL) >= 0 || errno != ECHILD) problem += " a probing child was left behind";
  std::fprintf(stderr, "%s\n", problem.c_str());
  std::fflush(stderr);
  _exit(problem.empty() ? 0 : 1);
}

EngineOptions only(Serialisation mechanism) {
  EngineOptions options;
  options.serialisation = mechanism;
  return options;
}

class SeccompDeathTest : public testing::TestWithParam<std::uint32_t> {};

TEST_P(SeccompDeathTest, WithoutMembarrierSignalsServe) {
  EXPECT_EXIT(flip_under({{SYS_membarrier, GetParam()}}, "signals"), testing::ExitedWithCode(0), "");
}

TEST_P(SeccompDeathTest, MembarrierAloneIsANamedError) {
  EXPECT_EXIT(flip_under({{SYS_membarrier, GetParam()}}, "", only(Serialisation::Membarrier)),
              testing::ExitedWithCode(1), "SerialisationUnavailable: .*membarrier.*: (the seccomp filter kills|.+)");
}

TEST_P(SeccompDeathTest, WithNeitherTheErrorNamesBoth) {
  EXPECT_EXIT(flip_under({{SYS_membarrier, GetParam()}, {SYS_tgkill, GetParam()}}, ""), testing::ExitedWithCode(1),
              "SerialisationUnavailable: .*membarrier\\(2\\).*: .+; signals .*tgkill\\(2\\).*: .+");
}

INSTANTIATE_TEST_SUITE_P(Actions, SeccompDeathTest,
                         testing::Values(with_errno(EPERM), with_errno(ENOSYS), SECCOMP_RET_KILL_PROCESS,
                                         SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP),
                         [](const auto& instance) -> std::string {
                           switch (instance.param) {
                             case SECCOMP_RET_KILL_PROCESS:
                               return "KillsTheProcess";
                             case SECCOMP_RET_KILL_THREAD:
                               return "KillsTheThread";
                             case SECCOMP_RET_TRAP:
                               return "RaisesSigsys";
                             default:
                               return instance.param == with_errno(EPERM) ? "SaysEperm" : "SaysEnosys";
                           }
                         });

TEST(SeccompDeathTest, AFilterThatAllowsIsNoObstacle) {
  EXPECT_EXIT(flip_under({}, "membarrier"), testing::ExitedWithCode(0), "");
}

TEST(SeccompDeathTest, WhereThreadsCannotBeListedTheErrorSaysSo) {
  EXPECT_EXIT(flip_under({{SYS_membarrier, with_errno(ENOSYS)}, {SYS_getdents64, with_errno(EPERM)}}, ""),
              testing::ExitedWithCode(1),
              "membarrier\\(2\\).*not implemented.*/proc/self/task: Operation not permitted");
}

// Without /proc nobody can know whether there is a filter, so what may kill is tried in a child all the same.
TEST(SeccompDeathTest, WithoutProcMembarrierIsStillTriedInAChild) {
  const Rule no_files{SYS_openat, with_errno(ENOENT)};
  EXPECT_EXIT(flip_under({no_files}, "membarrier"), testing::ExitedWithCode(0), "");
  EXPECT_EXIT(flip_under({no_files, {SYS_membarrier, SECCOMP_RET_KILL_PROCESS}}, ""), testing::ExitedWithCode(1),
              "membarrier\\(2\\).*the seccomp filter kills.*/proc/self/task: No such file or directory");
}

TEST(SeccompDeathTest, WithoutMemoryFilesCodeIsMappedTwiceOtherwise) {
  EXPECT_EXIT(flip_under({{SYS_memfd_create, with_errno(EPERM)}}, "membarrier"), testing::ExitedWithCode(0), "");
  EXPECT_EXIT(flip_under({{SYS_memfd_create, with_errno(EACCES)}}, "membarrier"), testing::ExitedWithCode(0), "");
}

TEST(SeccompDeathTest, WithoutAnyWayToMapCodeTwiceTheErrorNamesBoth) {
  EXPECT_EXIT(flip_under({{SYS_memfd_create, with_errno(EACCES)}, {SYS_mremap, with_errno(EPERM)}}, ""),
              testing::ExitedWithCode(1),
              "CodeMemoryUnavailable: .*memfd_create: Permission denied.*mremap.*: Operation not permitted");
  // A system that allows no execution of shared memory.
  EXPECT_EXIT(flip_under({{SYS_mprotect, with_errno(EACCES)}}, ""), testing::ExitedWithCode(1),
              "CodeMemoryUnavailable: .*mprotect of the RX view: Permission denied.*mprotect of the RX view");
}

}  // namespace
}  // namespace shunt::test
