// fork() and engines. Before it, the forking thread takes every engine's locks, so that the child, which has this
// thread alone, finds tables and arenas whole; afterwards both sides give them back.
//
// Afterwards both processes have the same code memory, and neither may write to it any more: who wants to takes memory
// of its own first (DualMapping::make_own()). After a raw clone(2) or _Fork(), which run no handlers, only exec is
// supported (engine/memory/fork_guard.h).
#pragma once

#include <cstdint>

namespace shunt::detail {

enum class ForkSide : std::uint8_t { Parent, Child };

// What holds locks that a child must find free.
class LockedAtFork {
 public:
  virtual void lock_before_fork() = 0;
  virtual void unlock_after_fork(ForkSide side) noexcept = 0;

 protected:
  ~LockedAtFork() = default;
};

// Locks are taken in this order, as everywhere else (docs/concurrency.md).
enum class ForkOrder : std::uint8_t { Engine, Serialiser };

// All thread-safe. hold_at_fork() may throw std::bad_alloc, also where the handlers cannot be registered. An engine is
// held from when it is made until just before it ends; the process's signal broadcast for ever.
void hold_at_fork(LockedAtFork& locked, ForkOrder order);
void release_at_fork(LockedAtFork& locked) noexcept;

}  // namespace shunt::detail
