// Unix sockets that only their owner reaches.
#pragma once

#include <string>

#include "shunt/error.h"

namespace shunt::flags {

// A descriptor that is closed with its object.
class OwnedDescriptor {
 public:
  explicit OwnedDescriptor(int fd = -1) noexcept : fd_(fd) {}
  ~OwnedDescriptor();
  OwnedDescriptor(OwnedDescriptor&& other) noexcept : fd_(other.release()) {}
  OwnedDescriptor& operator=(OwnedDescriptor&& other) noexcept;
  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] int release() noexcept {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }

 private:
  int fd_;
};

// A listening socket and its name; removes the name when it ends.
class PrivateSocket {
 public:
  // Makes the folder if it is not there. A socket that nobody listens at any more is replaced. Errors: InvalidArgument,
  // SystemCall.
  static Result<PrivateSocket> listen(const std::string& path);
  ~PrivateSocket();
  PrivateSocket(PrivateSocket&&) noexcept = default;
  PrivateSocket& operator=(PrivateSocket&&) = delete;

  [[nodiscard]] int fd() const noexcept { return socket_.get(); }
  // The next connection of the owner's; -1 if there is none. Others' are closed.
  [[nodiscard]] OwnedDescriptor accept() const;

 private:
  PrivateSocket(OwnedDescriptor folder, std::string name) : folder_(std::move(folder)), name_(std::move(name)) {}
  OwnedDescriptor folder_;
  std::string name_;
  OwnedDescriptor socket_;
};

// Connects to a socket whose listener has the same user. Errors: InvalidArgument (nobody listens, or somebody else).
Result<OwnedDescriptor> connect_to_own(const std::string& path);

}  // namespace shunt::flags
