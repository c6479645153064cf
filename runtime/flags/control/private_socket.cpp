#include "runtime/flags/control/private_socket.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

namespace shunt::flags {
namespace {

Error refuse(const std::string& path, std::string_view what) {
  return make_error(ErrorCode::InvalidArgument, fmt::format("{}: {}", path, what));
}
Error failed(const std::string& path, std::string_view call) {
  return make_error(ErrorCode::SystemCall, fmt::format("{}: {}: {}", path, call, std::strerror(errno)));
}

struct Place {
  std::string folder, name;
};
Place split(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return {".", path};
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

// By the open folder, so that nobody can put another in its place, and long paths fit.
std::optional<sockaddr_un> address(int folder, const std::string& name) {
  sockaddr_un out{};
  out.sun_family = AF_UNIX;
  const std::string path = fmt::format("/proc/self/fd/{}/{}", folder, name);
  if (path.size() >= sizeof out.sun_path) return {};
  std::memcpy(out.sun_path, path.data(), path.size());
  return out;
}

Result<OwnedDescriptor> open_folder(const Place& place, const std::string& path, bool make) {
  constexpr mode_t owner_only = 0700;
  if (place.name.empty()) return refuse(path, "it names no socket: write FOLDER/NAME");
  if (make && ::mkdir(place.folder.c_str(), owner_only) != 0 && errno != EEXIST) return failed(path, "mkdir");
  OwnedDescriptor folder(::open(place.folder.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (folder.get() < 0) return refuse(path, fmt::format("cannot open its folder: {}", std::strerror(errno)));
  struct stat status{};
  if (::fstat(folder.get(), &status) != 0) return failed(path, "fstat");
  if (status.st_uid != ::geteuid()) return refuse(path, "its folder belongs to somebody else: choose one of your own");
  if ((status.st_mode & 077) != 0) {
    return refuse(path, fmt::format("others may open its folder: chmod 700 {}", place.folder));
  }
  return folder;
}

bool is_own(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == ::geteuid();
}

OwnedDescriptor make_socket(int flags) {
  return OwnedDescriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
}

}  // namespace

OwnedDescriptor::~OwnedDescriptor() {
  if (fd_ >= 0) ::close(fd_);
}

OwnedDescriptor& OwnedDescriptor::operator=(OwnedDescriptor&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = other.release();
  }
  return *this;
}

Result<PrivateSocket> PrivateSocket::listen(const std::string& path) {
  const Place place = split(path);
  Result<OwnedDescriptor> folder = open_folder(place, path, true);
  if (!folder) return folder.error();
  const auto at = address(folder->get(), place.name);
  if (!at) return refuse(path, "its name is too long: choose a shorter one");
  const auto* const bound = reinterpret_cast<const sockaddr*>(&*at);
  OwnedDescriptor socket = make_socket(SOCK_NONBLOCK);
  if (socket.get() < 0) return failed(path, "socket");
  if (::bind(socket.get(), bound, sizeof *at) != 0) {
    if (errno != EADDRINUSE) return failed(path, "bind");
    struct stat status{};
    const bool is_socket =
        ::fstatat(folder->get(), place.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(status.st_mode);
    const OwnedDescriptor probe = make_socket(0);
    if (!is_socket || ::connect(probe.get(), bound, sizeof *at) == 0 || errno != ECONNREFUSED) {
      return refuse(path, "something else has that name: choose another one");
    }
    ::unlinkat(folder->get(), place.name.c_str(), 0);
    if (::bind(socket.get(), bound, sizeof *at) != 0) return failed(path, "bind");
  }
  PrivateSocket out(std::move(*folder), place.name);
  out.socket_ = std::move(socket);
  constexpr int waiting = 16;
  if (::fchmodat(out.folder_.get(), out.name_.c_str(), 0600, 0) != 0) return failed(path, "chmod");
  if (::listen(out.fd(), waiting) != 0) return failed(path, "listen");
  return out;
}

PrivateSocket::~PrivateSocket() {
  if (folder_.get() >= 0 && fd() >= 0) ::unlinkat(folder_.get(), name_.c_str(), 0);
}

OwnedDescriptor PrivateSocket::accept() const {
  for (;;) {
    OwnedDescriptor next(::accept4(fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (next.get() < 0) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      return next;
    }
    if (is_own(next.get())) return next;
  }
}

Result<OwnedDescriptor> connect_to_own(const std::string& path) {
  const Place place = split(path);
  Result<OwnedDescriptor> folder = open_folder(place, path, false);
  if (!folder) return folder.error();
  const auto at = address(folder->get(), place.name);
  if (!at) return refuse(path, "its name is too long: choose a shorter one");
  OwnedDescriptor socket = make_socket(0);
  if (socket.get() < 0) return failed(path, "socket");
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&*at), sizeof *at) != 0) {
    return refuse(path,
                  fmt::format("nobody listens: {}: start one by 'shunt run --control {}'", std::strerror(errno), path));
  }
  if (!is_own(socket.get())) return refuse(path, "somebody else listens there");
  return socket;
}

}  // namespace shunt::flags
