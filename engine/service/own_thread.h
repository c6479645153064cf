// What the engine's own threads have in common: signals that are sent to the process run their handlers on the host
// program's threads, not on these.
#pragma once

#include <csignal>

namespace shunt::detail {

// While it lives, the calling thread blocks those signals, and a thread that it creates inherits the mask. Never
// blocked: what a thread's own instructions raise, and the signal that core serialisations are made by (serialise/
// signal_broadcast.h), which every thread has to take.
class OwnThreadSignals {
 public:
  OwnThreadSignals() noexcept;
  ~OwnThreadSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  OwnThreadSignals(const OwnThreadSignals&) = delete;
  OwnThreadSignals& operator=(const OwnThreadSignals&) = delete;

 private:
  sigset_t before_;
};

}  // namespace shunt::detail
