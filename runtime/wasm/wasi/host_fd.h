// A host file descriptor and who closes it.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <utility>

namespace shunt::wasi {

// Owned: closed on destruction. Borrowed: somebody else's, never closed and its shared state (flags) never changed.
class HostFd {
 public:
  HostFd() = default;
  static HostFd owned(int fd) { return {fd, true}; }
  static HostFd borrowed(int fd) { return {fd, false}; }
  ~HostFd() { reset(); }
  HostFd(HostFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)), owned_(other.owned_) {}
  HostFd& operator=(HostFd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
      owned_ = other.owned_;
    }
    return *this;
  }

  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }
  [[nodiscard]] bool is_owned() const noexcept { return owned_; }

 private:
  HostFd(int fd, bool is_owned) : fd_(fd), owned_(is_owned) {}
  // close() is not repeated after EINTR: on Linux the descriptor is gone by then (close(2)).
  void reset() noexcept {
    if (owned_ && fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  int fd_ = -1;
  bool owned_ = false;
};

// Repeats a system call while a signal of the host interrupts it: guests know no signals.
template <class Call>
auto retry_interrupted(Call&& call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

}  // namespace shunt::wasi
