#include "engine/fork.h"

#include <pthread.h>

#include <algorithm>
#include <mutex>
#include <vector>

namespace shunt::detail {
namespace {

// Never destroyed: a process may fork while it ends.
struct Registry {
  std::mutex lock;  // protects `engines`; held across fork(), with each engine's locks taken after it
  std::vector<LockedAtFork*> engines;
};

Registry& registry() {
  static auto* const made = new Registry;
  return *made;
}

void before_fork() {
  registry().lock.lock();
  for (LockedAtFork* engine : registry().engines) engine->lock_before_fork();
}

void after_fork() {
  for (LockedAtFork* engine : registry().engines) engine->unlock_after_fork();
  registry().lock.unlock();
}

}  // namespace

void hold_at_fork(LockedAtFork& engine) {
  static const int registered = pthread_atfork(&before_fork, &after_fork, &after_fork);
  (void)registered;  // ENOMEM: then a child may find a lock taken; nothing in the parent depends on it
  const std::lock_guard hold(registry().lock);
  registry().engines.push_back(&engine);
}

void release_at_fork(LockedAtFork& engine) noexcept {
  const std::lock_guard hold(registry().lock);
  std::erase(registry().engines, &engine);
}

}  // namespace shunt::detail
