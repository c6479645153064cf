#include "engine/fork.h"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>
#include <new>
#include <string>
#include <vector>

#include "engine/fork_handlers.h"

namespace shunt::detail {
namespace {

// Never destroyed: a process may fork while it ends.
struct Registry {
  std::mutex lock;  // protects the rest; itself held across fork(), with the locks of everything held taken after it
  std::array<std::vector<LockedAtFork*>, 2> held;  // by ForkOrder
  bool registered = false;                         // the handlers
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

Status register_fork_handlers() {
  const std::lock_guard hold(registry().lock);
  if (registry().registered) return Ok{};
  const int error = pthread_atfork(&before_fork, &after_fork<ForkSide::Parent>, &after_fork<ForkSide::Child>);
  if (error != 0) {
    return make_error(ErrorCode::SystemCall,
                      std::string("pthread_atfork: ") + std::strerror(error) +
                          "; without it a forked child would flip the code of its parent; free memory, then try again");
  }
  registry().registered = true;
  return Ok{};
}

void hold_at_fork(LockedAtFork& locked, ForkOrder order) {
  if (!register_fork_handlers()) throw std::bad_alloc();
  const std::lock_guard hold(registry().lock);
  registry().held[static_cast<std::size_t>(order)].push_back(&locked);
}

void release_at_fork(LockedAtFork& locked) noexcept {
  const std::lock_guard hold(registry().lock);
  for (auto& group : registry().held) std::erase(group, &locked);
}

}  // namespace shunt::detail
