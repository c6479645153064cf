// Tells a child from the process that an object belongs to.
//
// What a child writes to a shared memory object changes the parent's, too. In a child made by fork() handlers see to
// that (engine/fork.h); in one made by a raw clone(2) or _Fork() none run, so what writes code asks here first.
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

  // The object belongs to this process now.
  void adopt() noexcept;

 private:
  volatile unsigned char* marker_ = nullptr;  // 1; a child finds 0, because the kernel wipes the page
  pid_t maker_;
};

}  // namespace shunt::detail
