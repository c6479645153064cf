#include "runtime/wasm/wasi/clock.h"

#include "runtime/wasm/wasi/errno.h"
#include "runtime/wasm/wasi/functions.h"
#include "runtime/wasm/wasi/host_file.h"

namespace shunt::wasi {

std::optional<clockid_t> host_clock(std::uint32_t id) noexcept {
  switch (static_cast<ClockId>(id)) {
    case ClockId::Realtime:
      return CLOCK_REALTIME;
    case ClockId::Monotonic:
      return CLOCK_MONOTONIC;
    case ClockId::ProcessCpuTime:
      return CLOCK_PROCESS_CPUTIME_ID;
    case ClockId::ThreadCpuTime:
      return CLOCK_THREAD_CPUTIME_ID;
  }
  return std::nullopt;
}

std::uint64_t now(clockid_t clock) noexcept {
  timespec time{};
  ::clock_gettime(clock, &time);
  return nanoseconds(time);
}

Errno clock_res_get(Call call, std::uint32_t id, Address resolution) {
  const GuestResult<std::uint64_t> out(call.memory, resolution);
  if (!out.valid()) return Errno::Fault;
  const std::optional<clockid_t> clock = host_clock(id);
  if (!clock) return Errno::Inval;
  timespec value{};
  if (::clock_getres(*clock, &value) != 0) return last_errno();
  out.set(nanoseconds(value));
  return Errno::Success;
}

Errno clock_time_get(Call call, std::uint32_t id, std::uint64_t /*precision*/, Address time) {
  const GuestResult<std::uint64_t> out(call.memory, time);
  if (!out.valid()) return Errno::Fault;
  const std::optional<clockid_t> clock = host_clock(id);
  if (!clock) return Errno::Inval;
  timespec value{};
  if (::clock_gettime(*clock, &value) != 0) return last_errno();
  out.set(nanoseconds(value));
  return Errno::Success;
}

}  // namespace shunt::wasi
