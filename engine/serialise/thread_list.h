// The threads of this process, as /proc/self/task lists them.
//
// The kernel does not list them atomically. It walks a list that grows at its end, and if the thread that it stands on
// ends meanwhile, it stops there without saying so; if the listing takes several calls, what ended between two of them
// makes it skip as many threads that live. So a listing says whether it is complete: it took one call, and the last
// thread that it names still exists afterwards.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

namespace shunt::detail {

struct ThreadListing {
  int error = 0;          // of the system call that failed; 0: none
  bool complete = false;  // every thread that existed when the listing began, and did not end since, is in it
};

// Not thread-safe.
class ThreadLister {
 public:
  virtual ~ThreadLister() = default;  // the tests have one that lists what they want

  // Replaces the contents of `threads`, in the order of creation. May throw std::bad_alloc.
  virtual ThreadListing list(std::vector<pid_t>& threads);

 private:
  std::vector<char> buffer_;
};

// What /proc says about one thread; all false and zero if it says nothing.
struct ThreadStatus {
  bool ended = false;  // a zombie (a main thread that ended before the others stays one), or dead
  // Asleep in the kernel in a way that no signal ends ("D": for a disk, or in vfork() until the child calls exec).
  bool uninterruptible = false;
  std::uint64_t pending = 0;  // signals sent to this thread and not taken yet; bit n - 1 is signal n
  std::uint64_t blocked = 0;
};
[[nodiscard]] ThreadStatus status_of(pid_t thread) noexcept;

}  // namespace shunt::detail
