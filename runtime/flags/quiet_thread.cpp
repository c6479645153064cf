#include "runtime/flags/quiet_thread.h"

#include <fmt/format.h>

#include <csignal>
#include <cstring>
#include <new>
#include <system_error>
#include <utility>

namespace shunt::flags {
namespace {

class AllSignalsBlocked {
 public:
  AllSignalsBlocked() noexcept {
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~AllSignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  AllSignalsBlocked(const AllSignalsBlocked&) = delete;
  AllSignalsBlocked& operator=(const AllSignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace

Result<std::thread> quiet_thread(std::string_view what, std::function<void()> run) {
  const AllSignalsBlocked inherited;
  try {
    return std::thread(std::move(run));
  } catch (const std::system_error& error) {
    return make_error(ErrorCode::SystemCall,
                      fmt::format("the thread of {} cannot be made: {}: end other threads, or raise the limit "
                                  "(ulimit -u, or the control group's pids.max)",
                                  what, std::strerror(error.code().value())));
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::OutOfMemory, fmt::format("no heap memory for the thread of {}", what));
  }
}

}  // namespace shunt::flags
