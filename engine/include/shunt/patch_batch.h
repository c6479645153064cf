// A patch batch: queue changes of keys, then commit them together. All or nothing, one core serialisation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <type_traits>

#include "shunt/api.h"
#include "shunt/demotable_key.h"
#include "shunt/error.h"
#include "shunt/quiescence.h"
#include "shunt/static_key.h"

namespace shunt {

class Engine;
class Ticket;  // shunt/ticket.h
class Assumption;
template <class Signature>
class StaticCall;
namespace detail {
class CallBase;
}

// What a commit promises to other threads, each stronger than the one before (docs/patching-protocol.md).
enum class Visibility : std::uint8_t { Written, Synced, Settled, Drained };

struct CommitReport {
  std::size_t sites_written = 0;    // whose instruction this batch changed
  std::size_t sites_unchanged = 0;  // already as wanted
  Visibility visibility = Visibility::Synced;
  // Of the core serialisation: "membarrier", "signals", in tests "recording"; "none" if nothing was written.
  std::string_view mechanism;
  std::uint32_t serialisations = 0;  // made by this commit
  std::uint32_t batches = 1;         // that shared this commit: this one, and those of threads that waited meanwhile
  std::uint32_t threads = 0, rounds = 0;  // of the wait for Settled or Drained (shunt/quiescence.h)
  std::uint64_t generation = 0;           // counts the engine's commits that wrote something
  // How long each phase took, for all batches of the commit.
  std::uint64_t check_ns = 0, write_ns = 0, maintenance_ns = 0, serialise_ns = 0;
  std::uint64_t quiesce_ns = 0;  // of the wait for threads
};

// Not thread-safe itself; any number of threads may each commit their own batch.
class SHUNT_API PatchBatch {
 public:
  explicit PatchBatch(Engine& engine);
  ~PatchBatch();
  PatchBatch(PatchBatch&&) noexcept;
  PatchBatch& operator=(PatchBatch&&) noexcept;

  // Queue: nothing is written, nothing can fail yet (errors are reported by commit()). The last call for a key wins.
  void enable(StaticKey& key) { set(key, true); }
  void disable(StaticKey& key) { set(key, false); }
  void set(StaticKey& key, bool on);
  void set(StaticSwitch& key, unsigned state);
  void enable(DemotableKey& key) { set(key, true); }
  void disable(DemotableKey& key) { set(key, false); }
  void set(DemotableKey& key, bool on);
  void set(DemotableSwitch& key, unsigned value);

  // Queue: one reference more or fewer, as StaticKey::acquire() and release() count, but together with the rest of the
  // batch. Each call counts.
  void acquire(StaticKey& key);
  void release(StaticKey& key);

  // Queue: the call calls `function` from now on, which must stay callable until the call goes elsewhere. It may be
  // anywhere in the process. Null is refused at commit (InvalidArgument) if the call cannot be empty.
  template <class R, class... Args>
  void set(StaticCall<R(Args...)>& call, std::type_identity_t<R (*)(Args...)> function) {
    set_call(call, reinterpret_cast<const void*>(function));
  }
  // Queue: the call calls nothing from now on.
  template <class... Args>
  void clear(StaticCall<void(Args...)>& call) {
    set_call(call, nullptr);
  }

  // Queue: the assumption is broken from now on, for ever. Nothing to do if it is broken already.
  void invalidate(Assumption& assumption);

  // Queue: from this commit on, state `state` (> 0; of a Redirect, any) of the site at `site` branches to `target`. If
  // the site is in that state now, it is rewritten in place. A Toggle cannot be retargeted while it branches, nor while
  // it does not: its target is part of the instruction (IllegalTransition). On arm64 a target 128 MiB away or farther
  // is reached by a veneer, which changes X16.
  void retarget(StaticSwitch& key, const void* site, unsigned state, const void* target);
  void retarget(StaticKey& key, const void* site, unsigned state, const void* target);
  void retarget(DemotableSwitch& key, const void* site, unsigned state, const void* target);

  // Rewrites every site of every queued key. Synced: every execution of a site that starts after commit() returned runs
  // the new instruction, on every thread of the process. Blocks (a lock, and one core serialisation); not from signal
  // handlers. Afterwards the batch is empty and may be used again. Errors: ExpectedBytesMismatch, IllegalTransition,
  // TargetOutOfRange, KeyBelongsToOtherEngine, KeyHeld, KeyNotHeld, KeyCountExhausted, OutOfMemory, InvalidArgument:
  // nothing was written, no key changed.
  // SerialisationFailed: everything is written; Engine::resynchronise() tries again.
  // InsideCommit: a signal handler that interrupted a commit of this engine on this thread.
  Result<CommitReport> commit();

  // commit(), then waits until every attached thread has passed a safepoint or is away from guest code
  // (shunt/thread.h): code that hoisted a decision to its last safepoint has taken it anew. Blocks for as long as
  // threads take, at most for `limit`; waits with no lock held. Errors: those of commit(); InvalidArgument if the
  // calling thread is in guest code without a HostScope: nothing was written. TimedOut: it is committed (Synced), and
  // Engine::settle() waits again.
  Result<CommitReport> commit_and_settle(const WaitLimit& limit = {});

  // commit(), then waits until no attached thread has a frame, a return address or a resume point in the old path.
  // Errors: as commit_and_settle(); InsideOldPath if the calling thread has one there itself: nothing was written, a
  // ticket does it. InsideOldPath also if threads that drain wait for each other, then it is committed.
  //
  // The old path, unless old_path() names it: for each site of each queued key, the published pieces of code that its
  // other states lead to (the site's own piece, where it falls through in another state), whoever flipped it; for each
  // retarget, the piece that it led to. Whole pieces, because the engine does not know how far a path goes. Keys with
  // sites in the embedder's own code need it named: InvalidArgument.
  Result<CommitReport> commit_and_drain(const WaitLimit& limit = {});

  // Queue: the old path is what was named by such calls, and nothing else.
  void old_path(const CodeExtent& extent);

  // Queues the commit and returns: the next commit of this engine carries it out, or the engine's own thread, which is
  // started for it, or Ticket::wait(). It is complete when `wanted` holds (Written gives Synced; Settled and
  // Drained do not keep later commits waiting, and may be asked for in guest code, also in the old path). Batches are
  // carried out in the order in which they were queued, and before commits that begin later. Until then the keys must
  // live; one that ends earlier has its queued commits carried out first. Afterwards the batch is empty and may be used
  // again. Does not block. May throw std::bad_alloc; nothing is queued then.
  Ticket commit_async(Visibility wanted = Visibility::Synced);

 private:
  void set_call(detail::CallBase& call, const void* function);

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace shunt
