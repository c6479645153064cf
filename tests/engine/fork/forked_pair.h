// A parent and a child that take turns.
#pragma once

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace shunt::test {

// Forks; then either side goes on when the other one says so, or has ended.
class ForkedPair {
 public:
  // `body` runs in the child; what it returns is the child's exit status.
  template <class Body>
  explicit ForkedPair(Body&& body) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) std::abort();
    std::fflush(nullptr);
    child_ = fork();
    end_ = ends[child_ == 0 ? 1 : 0];
    close(ends[child_ == 0 ? 0 : 1]);
    if (child_ == 0) {
      alarm(60);  // a stuck lock ends the child
      _exit(body(*this));
    }
  }
  ~ForkedPair() { close(end_); }
  ForkedPair(const ForkedPair&) = delete;
  ForkedPair& operator=(const ForkedPair&) = delete;

  void go() const { (void)send(end_, "x", 1, MSG_NOSIGNAL); }  // the other side's turn
  void wait() const {
    char byte;
    (void)recv(end_, &byte, 1, 0);
  }
  // The child's exit status; -n if signal n ended it.
  [[nodiscard]] int result() const {
    int status = 0;
    waitpid(child_, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  int end_ = -1;
  pid_t child_ = 0;
};

}  // namespace shunt::test
