#include "engine/serialise/membarrier.h"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>

#include "shunt/engine.h"

namespace shunt::detail {
namespace {

TEST(Membarrier, SerialisesAndSaysHow) {
  auto serialiser = make_membarrier_serialiser();
  ASSERT_TRUE(serialiser) << serialiser.error().message();
  EXPECT_EQ((*serialiser)->name(), "membarrier");
  EXPECT_TRUE((*serialiser)->serialise());
}

// From here on membarrier(2) of this process gets `action`.
void filter_membarrier(std::uint32_t action) {
  const std::array program = {
      sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
      sock_filter BPF_STMT(BPF_RET | BPF_K, action),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog filter{static_cast<unsigned short>(program.size()), const_cast<sock_filter*>(program.data())};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
    _exit(99);
}

// Prints the error of an engine under the filter and exits with its code; 0 if there is none.
[[noreturn]] void create_engine_under(std::uint32_t action) {
  filter_membarrier(action);
  const auto engine = Engine::create();
  if (engine) _exit(0);
  std::fprintf(stderr, "%s: %s\n", std::string(name_of(engine.error().code())).c_str(),
               engine.error().message().c_str());
  std::fflush(stderr);
  const bool no_child_left = waitpid(-1, nullptr, __WALL) < 0 && errno == ECHILD;
  _exit(no_child_left ? 1 : 98);
}

TEST(MembarrierDeathTest, AFilterThatRejectsGivesOneNamedError) {
  EXPECT_EXIT(create_engine_under(SECCOMP_RET_ERRNO | ENOSYS), testing::ExitedWithCode(1),
              "SerialisationUnavailable: .*membarrier.*seccomp filter rejects it: Function not implemented");
}

TEST(MembarrierDeathTest, AFilterThatKillsDoesNotKillTheHost) {
  EXPECT_EXIT(create_engine_under(SECCOMP_RET_KILL_PROCESS), testing::ExitedWithCode(1),
              "SerialisationUnavailable: .*seccomp filter kills");
}

TEST(MembarrierDeathTest, AFilterThatAllowsIsNoObstacle) {
  EXPECT_EXIT(create_engine_under(SECCOMP_RET_ALLOW), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace shunt::detail
