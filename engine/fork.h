// fork() and engines. Before it, the forking thread takes every engine's locks, so that the child, which has this
// thread alone, finds tables and arenas whole; afterwards both sides give them back.
//
// In the child, code that was published runs on, and shows the parent's later flips; keys, code and engines may end.
// What would write code gives ErrorCode::Unsupported (engine/memory/fork_guard.h). After a raw clone(2) or _Fork() only
// exec is supported.
#pragma once

namespace shunt::detail {

// What an engine is to fork().
class LockedAtFork {
 public:
  virtual void lock_before_fork() = 0;
  virtual void unlock_after_fork() = 0;

 protected:
  ~LockedAtFork() = default;
};

// Both thread-safe. An engine is held from when it is made until just before it ends. hold_at_fork() may throw
// std::bad_alloc.
void hold_at_fork(LockedAtFork& engine);
void release_at_fork(LockedAtFork& engine) noexcept;

}  // namespace shunt::detail
