// A thread's own stack, and the alternate one that its signal handlers run on: the guest's stack may be full when it
// traps.
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>

#include "runtime/wasm/instance/traps.h"

namespace shunt::wasm {
namespace {

constexpr std::size_t handler_bytes = std::size_t{32}
                                      << 10;  // for our handler, or the one that it passes a fault on to

std::size_t sufficient_bytes() {
  // The kernel's part of a signal frame depends on the processor's registers.
  const long frame = sysconf(_SC_MINSIGSTKSZ);
  return handler_bytes + static_cast<std::size_t>(std::max(frame, 0L));
}

// Ends with the thread that made it.
class AlternateStack {
 public:
  AlternateStack() = default;
  AlternateStack(const AlternateStack&) = delete;
  AlternateStack& operator=(const AlternateStack&) = delete;

  ~AlternateStack() {
    if (mapping_ == nullptr) return;
    stack_t current{};
    if (sigaltstack(nullptr, &current) == 0 && current.ss_sp == mapping_ + page_) {
      stack_t off{};
      off.ss_flags = SS_DISABLE;
      sigaltstack(&off, nullptr);
    }
    munmap(mapping_, bytes_);
  }

  Status prepare() {
    if (ready_) return Ok{};
    stack_t current{};
    if (sigaltstack(nullptr, &current) != 0) return failed("sigaltstack");
    if ((current.ss_flags & SS_DISABLE) != 0 || current.ss_size < sufficient_bytes()) {
      Status installed = install();
      if (!installed) return installed;
    }
    ready_ = true;
    return Ok{};
  }

 private:
  static Status failed(const char* call) {
    return make_error(ErrorCode::SystemCall,
                      std::string("an alternate signal stack: ") + call + ": " + std::strerror(errno));
  }

  // One page without access below it.
  Status install() {
    page_ = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t usable = (sufficient_bytes() + page_ - 1) / page_ * page_;
    void* const mapping = mmap(nullptr, page_ + usable, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) return failed("mmap");
    stack_t own{};
    own.ss_sp = static_cast<std::uint8_t*>(mapping) + page_;
    own.ss_size = usable;
    const char* call = "mprotect";
    bool done = mprotect(mapping, page_, PROT_NONE) == 0;
    if (done) {
      call = "sigaltstack";
      done = sigaltstack(&own, nullptr) == 0;
    }
    if (!done) {
      Status why = failed(call);
      munmap(mapping, page_ + usable);
      return why;
    }
    mapping_ = static_cast<std::uint8_t*>(mapping);
    bytes_ = page_ + usable;
    return Ok{};
  }

  bool ready_ = false;
  std::uint8_t* mapping_ = nullptr;
  std::size_t bytes_ = 0;
  std::size_t page_ = 0;
};

struct Bounds {
  std::uintptr_t lowest = 0, end = 0;
};

// Of the calling thread's stack; empty if the system does not tell.
Bounds host_stack_bounds() {
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return {};
  void* lowest = nullptr;
  std::size_t bytes = 0;
  const bool known = pthread_attr_getstack(&attributes, &lowest, &bytes) == 0;
  pthread_attr_destroy(&attributes);
  if (!known) return {};
  const auto start = reinterpret_cast<std::uintptr_t>(lowest);
  return {start, start + bytes};
}

}  // namespace

Status prepare_thread_for_traps() {
  thread_local AlternateStack stack;
  return stack.prepare();
}

std::size_t host_stack_left() {
  thread_local Bounds bounds;
  if (bounds.end == 0) bounds = host_stack_bounds();  // for the main thread that reads a file, which may fail for once
  const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  const bool inside = here >= bounds.lowest && here < bounds.end;
  return inside ? here - bounds.lowest : SIZE_MAX;
}

}  // namespace shunt::wasm
