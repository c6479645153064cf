// Keeps the signals that a write can raise in the writing thread from ending the host.
#pragma once

#include <signal.h>
#include <time.h>

#include <cerrno>

namespace shunt::wasi {

// While it lives, SIGPIPE and SIGXFSZ are blocked in this thread, and one that a write of this thread raised is taken
// back at the end, so that the guest sees the error and the host nothing. Both are directed at the thread that writes
// (signal(7)), so blocking them here suffices. A signal that was already pending stays pending.
class BlockedWriteSignals {
 public:
  explicit BlockedWriteSignals(bool active) : active_(active) {
    if (!active_) return;
    sigemptyset(&raised_);
    sigset_t pending;
    sigpending(&pending);
    for (const int signal : {SIGPIPE, SIGXFSZ}) {
      if (sigismember(&pending, signal) != 1) sigaddset(&raised_, signal);
    }
    pthread_sigmask(SIG_BLOCK, &raised_, &before_);
  }
  ~BlockedWriteSignals() {
    if (!active_) return;
    const int write_errno = errno;  // the caller has yet to read it
    if (write_errno == EPIPE || write_errno == EFBIG) {
      const timespec at_once{};
      while (sigtimedwait(&raised_, nullptr, &at_once) > 0) {
      }
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    errno = write_errno;
  }
  BlockedWriteSignals(const BlockedWriteSignals&) = delete;
  BlockedWriteSignals& operator=(const BlockedWriteSignals&) = delete;

 private:
  bool active_;
  sigset_t raised_, before_;
};

}  // namespace shunt::wasi
