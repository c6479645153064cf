// Commits that somebody watches site by site (the flip log; jitdump, which follows flips), at no cost while nobody
// does.
//
// Every commit writes its sites through a function pointer. It leads straight to the plain writing until somebody
// watches for the first time; from then on to the gate, four instructions of our own in code memory, with one patch
// site of one static key:
//
//   gate:  nop  <->  jmp on        the site
//          jmp [plain]             unwatched: the loop that writes sites, and nothing else
//   on:    jmp [watched]           notes what stands at the sites, calls the same loop, notes what stands there now
//
// So the loop has no check at all, and an unwatched commit executes two more instructions than without the gate,
// whatever its size. A host site in the loop itself would cost one; but its page of the library's text would be mapped
// anew, and uprobes in it lost, those of probes.h among them.
#pragma once

#include <cstddef>
#include <mutex>

#include "engine/patch/commit_lock.h"
#include "shunt/engine.h"

namespace shunt::detail {

class CommitWatch {
 public:
  // Writes the sites of the plan of an Engine::Impl; returns how many. Called with the engine's commit lock held.
  using Write = std::size_t (*)(void* impl) noexcept;

  CommitWatch(Write plain, Write watched) noexcept : plain_(plain), watched_(watched), write_(plain) {}

  std::size_t write(void* impl) const noexcept { return write_(impl); }  // commit lock held

  // One more, one less who watches. A commit like any other: afterwards every commit is watched, or, after the last
  // has left, none. Thread-safe; blocks. Errors: those of publish() and commit(); Unsupported if the engine is for
  // another instruction set than the host's.
  Status acquire(Engine& engine, CommitLock& commit_lock);
  Status release(Engine& engine);

  // Before the engine ends.
  void end() noexcept { gate_ = Code(); }

  // Held across fork(), before the commit lock.
  [[nodiscard]] std::mutex& lock() noexcept { return lock_; }

 private:
  Status make_gate(Engine& engine, CommitLock& commit_lock);
  Status set(Engine& engine, bool on);

  Write plain_, watched_;
  Write write_;      // protected by the engine's commit lock
  std::mutex lock_;  // protects the rest; held while the key is flipped, so taken before the commit lock
  StaticKey key_{"shunt.commit_watch"};
  Code gate_;
  unsigned watchers_ = 0;
};

}  // namespace shunt::detail
