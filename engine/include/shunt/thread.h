// Threads that run guest code, as the engine sees them: attached, in guest code or away from it, seen at safepoints.
//
//   auto thread = shunt::Thread::attach(engine);     once a thread
//   {
//     shunt::GuestScope guest(*thread);              from here on this thread may run guest code
//     function();                                    which calls host_function():
//   }                                                from here on it has no guest frame
//
//   void host_function() {
//     shunt::HostScope host(*thread);                away from guest code, whose frames wait below this one
//     ...                                            may block for as long as it likes
//   }
//
// What it is for: PatchBatch::commit_and_settle(), commit_and_drain(), Engine::retire(), which wait for attached
// threads. Guest code is whatever may be retired or waited for: JIT code, or an interpreter's loop. A thread in guest
// code is looked at when it passes a safepoint; a thread that is away is looked at without its help, and holds up
// nobody.
//
// The rules for guest code:
//   1. A pointer into code that may be retired is loaded after the GuestScope (HostScope) began (ended), and not kept
//      beyond it or across a safepoint, but as a return address or resume point that the frame walker visits.
//   2. Every loop, and every chain of calls that can be long, passes a safepoint.
//   3. Guest code that calls the host for long, or a host function that blocks, does so in a HostScope.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "shunt/api.h"
#include "shunt/error.h"

namespace shunt {

class Engine;
class Thread;

namespace detail {
class Quiescence;
struct ThreadRecord;
}  // namespace detail

// Where guest code stands still, and how to find its frames.
struct GuestFrame {
  const void* resume_point = nullptr;   // where it goes on
  const void* stack_pointer = nullptr;  // as it will be there
  const void* frame_pointer = nullptr;  // of the function that goes on there

  // The function that called the one in which this is written. Only if that function keeps frame pointers. On arm64 the
  // stack pointer is a lower bound: a frame may hold more above its frame record.
  [[gnu::always_inline]] static GuestFrame of_caller() noexcept {
    void* const* const frame = static_cast<void* const*>(__builtin_frame_address(0));
    return {__builtin_return_address(0), static_cast<const void*>(frame + 2), *frame};
  }
};

// Receives code addresses from a frame walker.
class AddressVisitor {
 public:
  // Where code will go on: a resume point or a return address. May throw std::bad_alloc: let it pass.
  virtual void operator()(const void* address) = 0;

 protected:
  ~AddressVisitor() = default;
};

// Calls `visit` with the resume point of `innermost` and with the return address of each guest frame up to
// `entry_mark`, the mark of the GuestScope that was entered. Addresses too many delay; one too few lets code be freed
// that a thread returns to. Runs on the thread that it walks, or on another while that thread stands still: it reads
// the stack, calls nothing of the engine, and takes no lock with which other threads call the engine.
using FrameWalker = std::function<void(const GuestFrame& innermost, const void* entry_mark, AddressVisitor& visit)>;

// The default: follows the chain of frame pointers as long as it climbs and stays below `entry_mark`. It finds every
// frame if every function between the innermost and the entry keeps one: [frame pointer] is the caller's frame pointer,
// the word above it the return address (x86-64 and arm64 alike; one that arm64's pointer authentication signed is
// understood). So a safepoint stands behind a function's prologue, on arm64 also in a function that calls nothing.
SHUNT_API void walk_frame_pointers(const GuestFrame& innermost, const void* entry_mark, AddressVisitor& visit);

struct ThreadOptions {
  std::string name;    // for errors and ThreadInfo; empty: the kernel's name of the thread
  FrameWalker walker;  // empty: walk_frame_pointers
};

// The attachment of the calling thread to an engine. Movable; to be ended by the same thread, outside of its scopes,
// before the engine ends. A thread may be attached to several engines, and to each once. A thread that ends without
// having detached counts as away from then on and holds up nobody; Engine::threads() shows it as Ended until its Thread
// is destroyed.
class SHUNT_API Thread {
 public:
  // Errors: InvalidArgument (attached already), OutOfMemory. Blocks for moments: a lock.
  static Result<Thread> attach(Engine& engine, ThreadOptions options = {});

  // The calling thread's attachment, made if there is none: for libraries that run guest code on threads which are not
  // theirs. What is returned refers to it and may be destroyed at any time. One that was made here lasts until the
  // thread or the engine ends, whichever is first. Errors: OutOfMemory, InvalidArgument (the thread is about to end).
  static Result<Thread> current(Engine& engine);

  // Whether the attachment has not ended. By the thread itself.
  [[nodiscard]] bool attached() const noexcept;

  ~Thread();
  Thread(Thread&& other) noexcept;
  Thread& operator=(Thread&& other) noexcept;

  // What safepoint_at() asks first, as one byte that is not zero while somebody waits: for code that asks by itself.
  // Valid while the thread is attached.
  [[nodiscard]] const std::atomic<bool>& safepoint_wanted() const noexcept { return *wanted_; }
  static_assert(sizeof(std::atomic<bool>) == 1);

  // A safepoint of C++ code that is guest code: an interpreter's loop. One load and branch while nobody waits. The
  // caller's own function and all between it and the GuestScope keep frame pointers, or hold nothing that is retired;
  // else pass the frame. Does nothing outside of a GuestScope.
  [[gnu::always_inline]] void safepoint() noexcept { safepoint_at({nullptr, nullptr, __builtin_frame_address(0)}); }
  void safepoint_at(const GuestFrame& frame) noexcept {
    // Relaxed: who misses it sees it at a later safepoint, and reached() takes the lock under which it was set.
    if (wanted_->load(std::memory_order_relaxed)) reached(frame);
  }

 private:
  friend class GuestScope;
  friend class HostScope;
  explicit Thread(std::shared_ptr<detail::ThreadRecord> record, bool owns) noexcept;
  void reached(const GuestFrame& frame) noexcept;
  void detach() noexcept;

  std::shared_ptr<detail::ThreadRecord> record_;
  const std::atomic<bool>* wanted_;
  bool owns_;  // ends the attachment
};

namespace detail {
// One stretch of guest frames without host frames between them. Lives in its GuestScope.
struct GuestSegment {
  GuestSegment* outer = nullptr;
  const void* entry_mark = nullptr;
  const FrameWalker* walker = nullptr;  // null: the thread's
  GuestFrame left_at;                   // while the thread is away from it
};
}  // namespace detail

// The thread may run guest code until the scope ends. One atomic read-modify-write and one store. May stand in a
// HostScope (a host function that calls guest code). If it stands in a GuestScope without one, the outer frames cannot
// be walked: until it ends, no drain sees the thread. Its end also ends the scopes within that were jumped over by
// longjmp or a trap. Only on the thread that is attached, ended in reverse order.
class SHUNT_API GuestScope {
 public:
  // The entry mark is the frame of the function that this stands in: guest frames are those below it. So that function,
  // or one that it calls, calls the guest code; a scope that is made elsewhere (in a std::optional) is given its mark.
  [[gnu::always_inline]] explicit GuestScope(Thread& thread) noexcept
      : GuestScope(thread, __builtin_frame_address(0)) {}
  GuestScope(Thread& thread, const void* entry_mark) noexcept : GuestScope(thread, entry_mark, nullptr) {}

  // The frames of this scope are walked by `walker`, which outlives it, and not by the thread's.
  GuestScope(Thread& thread, const void* entry_mark, const FrameWalker& walker) noexcept
      : GuestScope(thread, entry_mark, &walker) {}
  ~GuestScope();
  GuestScope(const GuestScope&) = delete;
  GuestScope& operator=(const GuestScope&) = delete;

 private:
  GuestScope(Thread& thread, const void* entry_mark, const FrameWalker* walker) noexcept;

  detail::ThreadRecord& record_;
  detail::GuestSegment segment_;
  std::uint32_t outer_unknown_;
};

// The thread is away from guest code until the scope ends; its guest frames are walked from `frame`. One store, and one
// atomic read-modify-write at its end, which waits if the frames are being walked at that moment. Does nothing outside
// of a GuestScope.
class SHUNT_API HostScope {
 public:
  // In a function that guest code calls directly.
  [[gnu::always_inline]] explicit HostScope(Thread& thread) noexcept : HostScope(thread, GuestFrame::of_caller()) {}
  HostScope(Thread& thread, const GuestFrame& frame) noexcept;
  ~HostScope();
  HostScope(const HostScope&) = delete;
  HostScope& operator=(const HostScope&) = delete;

 private:
  detail::ThreadRecord* record_;  // null: was not in guest code
};

// An attached thread, as inspection tools show it.
struct ThreadInfo {
  enum class Where : std::uint8_t { Away, GuestCode, Ended };
  std::string name;
  long kernel_id = 0;  // gettid()
  Where where = Where::Away;
};

}  // namespace shunt
