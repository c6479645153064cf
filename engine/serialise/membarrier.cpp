#include "engine/serialise/membarrier.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "arch/backend.h"
#include "engine/serialise/probe.h"

namespace shunt::detail {
namespace {

long membarrier(int command) noexcept {
  return syscall(SYS_membarrier, command, 0, 0);
}

long register_process() noexcept {
  return membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE);
}

long serialise_process() noexcept {
  return membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE);
}

// Until Linux 5.11 the command was documented to serialise the caller's siblings, "but not necessarily the calling
// thread" (commit e45cdc71d1fa); since then it covers the caller too.
bool kernel_serialises_caller() noexcept {
  utsname name{};
  unsigned major = 0, minor = 0;
  if (uname(&name) != 0 || std::sscanf(name.release, "%u.%u", &major, &minor) != 2) return false;
  return major > 5 || (major == 5 && minor >= 11);
}

class MembarrierSerialiser final : public CoreSerialiser {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "membarrier"; }

  Status serialise() override {
    // EPERM: not registered. Linux copies the registration to a child made by fork(), but does not promise it.
    if (serialise_process() != 0 && (errno != EPERM || register_process() != 0 || serialise_process() != 0)) {
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

Error no_membarrier(const std::string& cause) {
  return make_error(ErrorCode::SerialisationUnavailable,
                    "membarrier(2) with PRIVATE_EXPEDITED_SYNC_CORE (Linux 4.16): " + cause);
}

}  // namespace

Result<std::unique_ptr<CoreSerialiser>> make_membarrier_serialiser() {
  const auto calls = [] {
    if (register_process() == 0) serialise_process();
  };
  if (const std::string cause = why_not(calls); !cause.empty()) return no_membarrier(cause);
  if (register_process() != 0 || serialise_process() != 0) return no_membarrier(std::strerror(errno));
  return std::unique_ptr<CoreSerialiser>(std::make_unique<MembarrierSerialiser>());
}

}  // namespace shunt::detail
