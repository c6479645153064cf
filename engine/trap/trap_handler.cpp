#include "engine/trap/trap_handler.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <string>

#include "engine/patch/mutant.h"
#include "engine/trap/breakpoint_table.h"
#include "engine/trap/trap_context.h"

namespace shunt::detail {
namespace {

// What SIGTRAP did before. Written before the handler is installed, but for `spent`.
struct sigaction previous;

// SA_RESETHAND: the previous handler has had its one call. Relaxed: nothing else follows from it.
std::atomic<bool> spent{false};

bool resume(const siginfo_t& info, void* context) noexcept {
  if (!is_breakpoint_trap(info)) return false;
  const TrapAnswer answer = answer_trap(breakpoint_address(context));
  if (answer.verdict == TrapAnswer::Verdict::Foreign) return mutated(Mutant::SwallowForeignTrap);
  resume_at(context, answer.resumption.address, answer.resumption.return_address);
  return true;
}

// The signal is sent to this thread once more, and is delivered when this handler returns, which unblocks it: then the
// process ends as if there had been no handler, with the interrupted instruction in the core dump.
void take_default_action(int signal, siginfo_t* info) noexcept {
  struct sigaction action{};
  action.sa_handler = SIG_DFL;
  sigaction(signal, &action, nullptr);
  const long thread = syscall(SYS_gettid);
  if (syscall(SYS_rt_tgsigqueueinfo, getpid(), thread, signal, info) != 0)
    syscall(SYS_tgkill, getpid(), thread, signal);
}

// The mask that the kernel would have given to the previous handler.
void set_mask_of_previous(int signal, const void* context) noexcept {
  constexpr int last_signal = 64;
  sigset_t mask;
  sigemptyset(&mask);
  for (int number = 1; number <= last_signal; ++number) {
    const bool itself = number == signal && (previous.sa_flags & SA_NODEFER) == 0;
    if (itself || sigismember(&blocked_signals(context), number) == 1 || sigismember(&previous.sa_mask, number) == 1)
      sigaddset(&mask, number);
  }
  pthread_sigmask(SIG_SETMASK, &mask, nullptr);
}

void pass_on(int signal, siginfo_t* info, void* context) {
  const bool takes_info = (previous.sa_flags & SA_SIGINFO) != 0;
  if (!takes_info) {
    const bool was_sent = info->si_code <= 0;  // SI_USER, SI_TKILL, SI_QUEUE...: by somebody, not by an instruction
    if (previous.sa_handler == SIG_IGN && was_sent) return;
    if (previous.sa_handler == SIG_IGN || previous.sa_handler == SIG_DFL) return take_default_action(signal, info);
  }
  if ((previous.sa_flags & static_cast<int>(SA_RESETHAND)) != 0 && spent.exchange(true, std::memory_order_relaxed))
    return take_default_action(signal, info);
  set_mask_of_previous(signal, context);
  if (takes_info) {
    previous.sa_sigaction(signal, info, context);
  } else {
    previous.sa_handler(signal);
  }
}

void on_trap(int signal, siginfo_t* info, void* context) {
  const int kept_errno = errno;
  if (!resume(*info, context)) pass_on(signal, info, context);
  errno = kept_errno;
}

Error system_call_failed(const char* call, int error) {
  return make_error(ErrorCode::SystemCall,
                    std::string(call) + ": " + std::strerror(error) +
                        "; patch sites that are rewritten by breakpoints need a SIGTRAP handler");
}

Status install() {
  // All signals are blocked in the handler: while a thread looks something up nothing else runs on it, so it soon
  // leaves.
  struct sigaction action{};
  action.sa_sigaction = &on_trap;
  sigfillset(&action.sa_mask);
  if (sigaction(SIGTRAP, nullptr, &previous) != 0) return system_call_failed("sigaction", errno);
  const bool restarts =
      (previous.sa_flags & SA_RESTART) != 0 ||
      ((previous.sa_flags & SA_SIGINFO) == 0 && (previous.sa_handler == SIG_IGN || previous.sa_handler == SIG_DFL));
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | (restarts ? SA_RESTART : 0);
  static bool forgets = false;  // a child that did not would wait for its parent's readers
  if (!forgets) {
    if (const int error = pthread_atfork(nullptr, nullptr, &forget_trap_readers); error != 0)
      return system_call_failed("pthread_atfork", error);
    forgets = true;
  }
  if (sigaction(SIGTRAP, &action, nullptr) != 0) return system_call_failed("sigaction", errno);
  return Ok{};
}

}  // namespace

Status install_trap_handler() {
  static constinit std::mutex lock;         // protects `installed`, and the installation; a leaf
  static constinit bool installed = false;  // what failed is tried again by the next who asks
  const std::lock_guard hold(lock);
  if (installed) return Ok{};
  Status status = install();
  installed = status.has_value();
  return status;
}

Status check_trap_handler() {
  struct sigaction action{};
  if (sigaction(SIGTRAP, nullptr, &action) != 0) return system_call_failed("sigaction", errno);
  if ((action.sa_flags & SA_SIGINFO) != 0 || (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN))
    return Ok{};
  return make_error(ErrorCode::TrapHandlerReplaced,
                    "SIGTRAP is ignored or has its default action, but a thread that runs into a breakpoint would need "
                    "the engine's handler; install handlers of SIGTRAP before code with unaligned sites is published, "
                    "and put back what was there when one is removed");
}

}  // namespace shunt::detail
