#include "engine/service/own_thread.h"

#include "engine/patch/mutant.h"
#include "engine/serialise/signal_broadcast.h"

namespace shunt::detail {

OwnThreadSignals::OwnThreadSignals() noexcept {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGCHLD, SIGTSTP,
                           SIGTTIN, SIGTTOU, SIGWINCH, SIGIO}) {
    sigaddset(&set, signal);
  }
  if (const int signal = SignalBroadcast::signal_in_use(); signal != 0) sigdelset(&set, signal);
  if (mutated(Mutant::OwnThreadsBlockAll)) sigfillset(&set);
  pthread_sigmask(SIG_BLOCK, &set, &before_);
}

}  // namespace shunt::detail
