#include "engine/fork.h"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <new>
#include <vector>

namespace shunt::detail {
namespace {

// Never destroyed: a process may fork while it ends.
struct Registry {
  std::mutex lock;  // protects `held`; itself held across fork(), with the locks of everything held taken after it
  std::array<std::vector<LockedAtFork*>, 2> held;  // by ForkOrder
};

Registry& registry() {
  static auto* const made = new Registry;
  return *made;
}

void before_fork() {
  registry().lock.lock();
  for (const auto& group : registry().held) {
    for (LockedAtFork* locked : group) locked->lock_before_fork();
  }
}

template <ForkSide side>
void after_fork() {
  for (const auto& group : registry().held) {
    for (LockedAtFork* locked : group) locked->unlock_after_fork(side);
  }
  registry().lock.unlock();
}

}  // namespace

void hold_at_fork(LockedAtFork& locked, ForkOrder order) {
  static const int registered =
      pthread_atfork(&before_fork, &after_fork<ForkSide::Parent>, &after_fork<ForkSide::Child>);
  if (registered != 0) throw std::bad_alloc();  // without handlers, a child's flips would be the parent's
  const std::lock_guard hold(registry().lock);
  registry().held[static_cast<std::size_t>(order)].push_back(&locked);
}

void release_at_fork(LockedAtFork& locked) noexcept {
  const std::lock_guard hold(registry().lock);
  for (auto& group : registry().held) std::erase(group, &locked);
}

}  // namespace shunt::detail
