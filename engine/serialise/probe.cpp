#include "engine/serialise/probe.h"

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "engine/patch/mutant.h"

namespace shunt::detail {

bool may_be_filtered() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("Seccomp:", 0) == 0) return line.find('0') == std::string::npos;  // 0: SECCOMP_MODE_DISABLED
  }
  return !mutated(Mutant::TrustProc);
}

std::string why_not(void (*calls)()) {
  if (!may_be_filtered()) return {};
  // A raw clone without exit signal: no SIGCHLD for the host program, no atfork handlers in a child that makes a few
  // system calls.
  const long child = syscall(SYS_clone, 0, nullptr, nullptr, nullptr, nullptr);
  if (child == 0) {
    calls();
    syscall(SYS_exit_group, 0);
  }
  if (child < 0) {
    return std::string("a seccomp filter may be in force, and the child that would try it cannot be made: ") +
           std::strerror(errno);
  }
  int status = 0;
  pid_t waited;
  do {
    waited = waitpid(static_cast<pid_t>(child), &status, __WALL);
  } while (waited < 0 && errno == EINTR);
  if (waited < 0) return std::string("waiting for the child that tried it failed: ") + std::strerror(errno);
  return WIFSIGNALED(status) ? "the seccomp filter kills processes that call it" : "";
}

}  // namespace shunt::detail
