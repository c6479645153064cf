#include "runtime/wasm/tiers/hot_functions.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

namespace shunt::wasm {
namespace {

// The embedder's signals are for its own threads; faults must come here.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    for (const int fault : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT}) sigdelset(&all, fault);
    pthread_sigmask(SIG_BLOCK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

Status HotFunctions::start(std::function<Found()> look) {
  look_ = std::move(look);
  const SignalsBlocked blocked;
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& error) {
    return make_error(ErrorCode::SystemCall, std::string("the thread that looks for hot functions cannot be made: ") +
                                                 std::strerror(error.code().value()) +
                                                 "; end other threads, or load with the baseline tier");
  }
  return Ok{};
}

HotFunctions::~HotFunctions() {
  if (!thread_.joinable()) return;
  {
    const std::scoped_lock hold(mutex_);
    stops_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void HotFunctions::run() {
  pthread_setname_np(pthread_self(), "shunt tiers");
  std::chrono::milliseconds pause = soonest;
  std::unique_lock hold(mutex_);
  while (!changed_.wait_for(hold, pause, [this] { return stops_; })) {
    hold.unlock();
    pause = look_() == Found::Work ? soonest : std::min(2 * pause, latest);
    hold.lock();
  }
}

}  // namespace shunt::wasm
