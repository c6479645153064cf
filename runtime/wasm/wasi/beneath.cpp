#include "runtime/wasm/wasi/beneath.h"

#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>

#include "runtime/wasm/wasi/beneath_walk.h"
#include "runtime/wasm/wasi/errno.h"

namespace shunt::wasi {
namespace {

int openat2_beneath(int directory, const char* path, int flags, mode_t mode) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  how.mode = (flags & O_CREAT) != 0 ? mode : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(::syscall(SYS_openat2, directory, path, &how, sizeof(how)));
}

Errno open_by_kernel(int directory, const char* path, int flags, mode_t mode, HostFd& out) {
  // EAGAIN: a rename elsewhere made it impossible to say whether ".." stays beneath (openat2(2)).
  constexpr int max_attempts = 1000;
  int fd = -1;
  for (int attempt = 0; attempt < max_attempts; ++attempt) {
    fd = openat2_beneath(directory, path, flags, mode);
    if (fd >= 0 || (errno != EINTR && errno != EAGAIN)) break;
    if (errno == EAGAIN && (flags & O_NONBLOCK) != 0) break;  // may be the file's own answer
  }
  if (fd < 0) return errno == EXDEV ? Errno::NotCapable : last_errno();
  out = HostFd::owned(fd);
  return Errno::Success;
}

Errno check_path(std::string_view path) {
  if (path.empty()) return Errno::NoEnt;
  if (path.size() >= PATH_MAX) return Errno::NameTooLong;
  if (path.find('\0') != std::string_view::npos) return Errno::Inval;
  if (path.front() == '/') return Errno::NotCapable;
  return Errno::Success;
}

}  // namespace

Lookup available_lookup() {
  static const Lookup found = [] {
    const HostFd probe = HostFd::owned(openat2_beneath(AT_FDCWD, ".", O_PATH | O_DIRECTORY, 0));
    return probe.is_open() ? Lookup::Kernel : Lookup::Walk;
  }();
  return found;
}

Errno open_beneath(const Scope& scope, std::string_view path, int flags, mode_t mode, HostFd& out) {
  if (const Errno error = check_path(path); error != Errno::Success) return error;
  if (scope.lookup == Lookup::Walk) return walk_beneath(scope.directory, path, flags, mode, out);
  return open_by_kernel(scope.directory, std::string(path).c_str(), flags, mode, out);
}

Errno open_parent(const Scope& scope, std::string_view path, ParentEntry& out) {
  if (const Errno error = check_path(path); error != Errno::Success) return error;
  const std::size_t end = path.find_last_not_of('/') + 1;  // the path is not empty and does not begin with a slash
  const std::size_t slash = path.rfind('/', end - 1);
  const std::size_t begin = slash == std::string_view::npos ? 0 : slash + 1;
  const std::string_view last = path.substr(begin, end - begin);
  if (last == "." || last == "..") {
    out.name = ".";
    return open_beneath(scope, path, O_PATH | O_DIRECTORY, 0, out.directory);
  }
  out.name = last;
  if (end < path.size()) out.name += '/';
  if (begin == 0) {
    out.directory = HostFd::borrowed(scope.directory);
    return Errno::Success;
  }
  return open_beneath(scope, path.substr(0, begin), O_PATH | O_DIRECTORY, 0, out.directory);
}

}  // namespace shunt::wasi
