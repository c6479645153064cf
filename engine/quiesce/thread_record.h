// The engine's side of an attached thread.
//
//   Away  --- GuestScope begins, HostScope ends: compare-exchange --->  Guest
//   Away  <-- GuestScope ends, HostScope begins: store ---------------  Guest
//   Away  --- somebody looks: compare-exchange ---> Claimed --- store ---> Away
//
// In Guest, the thread alone uses `top`, `unknown` and `addresses`, and the frames below it. In Claimed, who claimed it
// does; the thread, if it wants to go on, waits. So a thread that is away can be looked at without its help, however
// long it blocks.
//
// Memory order. Whoever looks at a thread that is away has, before, seen a commit through (its own, or one that the
// lock of Quiescence orders before). The claim is a read-modify-write of `state` with acquire, its end a store with
// release; the thread's way back into guest code is a read-modify-write with acquire of that store or of a later one.
// So what was committed happens before the thread's next step in guest code: it takes its decisions anew. And what the
// thread did in guest code happened before its own store with release that the claim read.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "engine/memory/region.h"
#include "shunt/thread.h"

namespace shunt::detail {

struct ThreadRecord {
  enum class State : std::uint32_t { Away, Guest, Claimed, Ended };

  ThreadRecord(Quiescence& owner, const Region& code_memory) noexcept : home(owner), code(code_memory) {}

  // Into guest code: waits while somebody looks. The thread itself.
  void enter() noexcept;

  // Out of it. Release: see above. The thread itself.
  void leave() noexcept;

  // True if the thread is away and now stands still until release_claim(). Waits while somebody else looks.
  [[nodiscard]] bool claim() noexcept;
  void release_claim() noexcept;

  // Collects the return addresses and resume points of all guest frames: those of the innermost segment from `frame` if
  // it is not null, the others from where they were left. False: not all can be known (no memory, or guest code was
  // entered twice). Precondition: claimed, or the thread itself in guest code.
  bool walk(const GuestFrame* frame) noexcept;

  // The first address that walk() found in [begin, end), or null.
  [[nodiscard]] const void* address_in(const void* begin, const void* end) const noexcept;

  Quiescence& home;
  const Region& code;  // of the engine
  std::string name;
  long kernel_id = 0;
  std::thread::id id = std::this_thread::get_id();
  FrameWalker walker;

  std::atomic<State> state{State::Away};

  // Made by Thread::current(): no Thread ends it, so the thread's end and the engine's may come at the same time. The
  // first to exchange `ending` ends the record; the engine waits until a thread that was first has `left` it.
  bool implicit = false;
  std::atomic<bool> ending{false}, left{false};

  // Somebody waits for this thread to pass a safepoint. Written under the lock of Quiescence.
  std::atomic<bool> wanted{false};

  GuestSegment* top = nullptr;  // innermost
  std::uint32_t unknown = 0;    // guest scopes begun in guest code, whose outer frames nobody knows

  // What walk() found, sorted, and whether that is all. Kept between walks so that they need no heap.
  std::vector<const void*> addresses;
  bool complete = false;

  // Protected by the lock of Quiescence.
  std::uint64_t looked_in = 0;  // the round in which it was last looked at

  // Code with safepoints ran outside of a GuestScope: its frames cannot be known any more. By the thread itself, read
  // when claimed; relaxed, because a look that misses it had nothing to go by either.
  std::atomic<bool> unscoped{false};
};

// The record of the calling thread at `home`, or null.
ThreadRecord* record_of_this_thread(const Quiescence& home) noexcept;

}  // namespace shunt::detail
