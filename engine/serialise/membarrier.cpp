#include "engine/serialise/membarrier.h"

#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>

#include "arch/backend.h"

namespace shunt::detail {
namespace {

long membarrier(int command) noexcept {
  return syscall(SYS_membarrier, command, 0, 0);
}

long register_process() noexcept {
  return membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE);
}

// Until Linux 5.11 the command was documented to serialise the caller's siblings, "but not necessarily the calling
// thread" (commit e45cdc71d1fa); since then it covers the caller too.
bool kernel_serialises_caller() noexcept {
  utsname name{};
  unsigned major = 0, minor = 0;
  if (uname(&name) != 0 || std::sscanf(name.release, "%u.%u", &major, &minor) != 2) return false;
  return major > 5 || (major == 5 && minor >= 11);
}

bool under_seccomp_filter() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("Seccomp:", 0) == 0) return line.find('2') != std::string::npos;  // 2: SECCOMP_MODE_FILTER
  }
  return false;
}

// Registers in a child first. Empty if that went well, else what the filter does to the call.
std::string probe_in_child() {
  // A raw clone without exit signal: no SIGCHLD for the host program, no atfork handlers in a child that makes two
  // system calls.
  const long child = syscall(SYS_clone, 0, nullptr, nullptr, nullptr, nullptr);
  if (child == 0) {
    const long failed = register_process() != 0 ? errno : 0;
    syscall(SYS_exit_group, failed);
  }
  if (child < 0)
    return std::string("a seccomp filter is in force, and the probing child could not be made: ") +
           std::strerror(errno);
  int status = 0;
  pid_t waited;
  do {
    waited = waitpid(static_cast<pid_t>(child), &status, __WALL);
  } while (waited < 0 && errno == EINTR);
  if (waited < 0)
    return std::string("a seccomp filter is in force, and waiting for the probing child failed: ") +
           std::strerror(errno);
  if (WIFSIGNALED(status)) return "the seccomp filter kills processes that call it";
  if (WEXITSTATUS(status) != 0)
    return std::string("the seccomp filter rejects it: ") + std::strerror(WEXITSTATUS(status));
  return {};
}

class MembarrierSerialiser final : public CoreSerialiser {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "membarrier"; }

  Status serialise() override {
    if (membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE) != 0) {
      return make_error(ErrorCode::SerialisationFailed,
                        std::string("membarrier(PRIVATE_EXPEDITED_SYNC_CORE): ") + std::strerror(errno) +
                            "; the code is written, Engine::resynchronise() tries again");
    }
    if (!caller_is_covered_) arch::host::serialise_this_core();
    return Ok{};
  }

 private:
  const bool caller_is_covered_ = kernel_serialises_caller();
};

Error unavailable(const std::string& cause) {
  return make_error(ErrorCode::SerialisationUnavailable,
                    "core serialisation needs membarrier(2) with PRIVATE_EXPEDITED_SYNC_CORE (Linux 4.16): " + cause);
}

}  // namespace

Result<std::unique_ptr<CoreSerialiser>> make_membarrier_serialiser() {
  if (under_seccomp_filter()) {
    if (const std::string cause = probe_in_child(); !cause.empty()) return unavailable(cause);
  }
  if (register_process() != 0) return unavailable(std::strerror(errno));
  return std::unique_ptr<CoreSerialiser>(std::make_unique<MembarrierSerialiser>());
}

}  // namespace shunt::detail
