// Tells a child made by fork() from the process that made an object.
//
// A shared memory object is shared with such a child: what it wrote to code would change the parent's code. So the
// writable mapping is kept out of children, and every operation that writes code asks here first.
#pragma once

#include <sys/types.h>

namespace shunt::detail {

// Thread-safe.
class ForkGuard {
 public:
  ForkGuard();
  ~ForkGuard();
  ForkGuard(const ForkGuard&) = delete;
  ForkGuard& operator=(const ForkGuard&) = delete;

  // One load where the kernel can wipe a page on fork, else a system call.
  [[nodiscard]] bool in_child() const noexcept;

 private:
  const volatile unsigned char* marker_ = nullptr;  // 1; a child finds 0, because the kernel wipes the page
  pid_t maker_;
};

}  // namespace shunt::detail
