#include <sched.h>
#include <sys/random.h>

#include "runtime/wasm/wasi/errno.h"
#include "runtime/wasm/wasi/functions.h"

namespace shunt::wasi {
namespace {

// Signals of preview 1 by what they do to a process that does not handle them.
enum class SignalDefault { None, End, Ignore, Stop, Unknown };

SignalDefault default_of(std::uint32_t signal) {
  switch (signal) {
    case 0:
      return SignalDefault::None;
    case 16:  // chld
    case 17:  // cont
    case 22:  // urg
    case 27:  // winch
      return SignalDefault::Ignore;
    case 18:  // stop
    case 19:  // tstp
    case 20:  // ttin
    case 21:  // ttou
      return SignalDefault::Stop;
    default:
      return signal <= 30 ? SignalDefault::End : SignalDefault::Unknown;
  }
}

}  // namespace

void proc_exit(Call call, std::uint32_t status) {
  call.system.exit_status = status;
}

Errno proc_raise(Call call, std::uint32_t signal) {
  switch (default_of(signal)) {
    case SignalDefault::None:
    case SignalDefault::Ignore:
      return Errno::Success;
    case SignalDefault::End:
      call.system.exit_status = 128 + signal;
      return Errno::Success;
    case SignalDefault::Stop:
      return Errno::NotSup;
    case SignalDefault::Unknown:
      break;
  }
  return Errno::Inval;
}

Errno random_get(Call call, Address buf, std::uint32_t buf_len) {
  const auto out = call.memory.view(buf, buf_len);
  if (!out) return Errno::Fault;
  std::span<std::uint8_t> rest = *out;
  while (!rest.empty()) {
    const ssize_t got = retry_interrupted([&] { return ::getrandom(rest.data(), rest.size(), 0); });
    if (got < 0) return last_errno();
    rest = rest.subspan(static_cast<std::size_t>(got));
  }
  return Errno::Success;
}

Errno sched_yield(Call /*call*/) {
  return status_of(::sched_yield());
}

}  // namespace shunt::wasi
