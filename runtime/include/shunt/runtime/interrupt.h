// Stopping guests from outside: cancel, deadlines, yields.
//
//   shunt::runtime::InterruptHandle handle = store.interrupt_handle();
//   std::thread watchdog([handle] { ...; handle.cancel("the user went away"); });
//   instance.call("run");                          fails with ErrorCode::Interrupted
//
// The guarantee: once cancel() has returned, guest code of the store executes no more than up to its next site. Every
// iteration of a loop and every call of a function that calls passes one, so that is straight code. A thread that is in
// a host function is stopped when that returns. A guest that nobody interrupts pays one no-op a site.
//
// Modules that were loaded with ModuleOptions::interruptible = false have no sites: there a request is seen only when a
// call begins and when a host function returns.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "shunt/error.h"

namespace shunt::wasm {
class InterruptState;
}

namespace shunt::runtime {

// Of one store, since it was made.
struct InterruptReport {
  std::uint64_t stops = 0;   // calls that were stopped
  std::uint64_t yields = 0;  // that were served
  // From the call of cancel() (of a deadline: from its time) to where the guest noticed, if guest code was running
  // then.
  std::uint64_t last_latency_ns = 0, longest_latency_ns = 0;
};

// What a yield does: runs on the guest's thread, between two of its instructions, with the guest's frames waiting as
// for a host function; may call guests of the store. An error stops the guest and becomes the outcome of the call. An
// exception does likewise, as a Trap.
using YieldFunction = std::function<Status()>;

// Stops the guests of one store. Cheap to copy; may outlive the store, and then does nothing. Thread-safe, but for
// signal handlers. Errors of all: those of a commit of the engine; the request is made nevertheless, and is seen by a
// guest at the latest when a host function returns. Each may block for a commit.
class InterruptHandle {
 public:
  explicit InterruptHandle(std::shared_ptr<wasm::InterruptState> state) : state_(std::move(state)) {}

  // From now on guests of the store stop, with ErrorCode::Interrupted and this reason: a call in progress, and calls
  // that begin later, until clear(). A second reason replaces the first.
  Status cancel(std::string reason = "cancelled") const;

  // Guests may run again. Also withdraws the deadline.
  Status clear() const;

  // cancel(), at that time, by a thread of the library. One deadline a store: a later one replaces the earlier. If it
  // has passed, the same as cancel(). Errors: also SystemCall (the thread cannot be made). Not carried over fork().
  Status set_deadline(std::chrono::steady_clock::time_point when) const;

  // Calls the store's YieldFunction (Store::on_yield) once at the guest's next site; if no guest runs, when the next
  // call begins. Requests that come before it is called are one.
  Status request_yield() const;

  [[nodiscard]] InterruptReport report() const;

 private:
  std::shared_ptr<wasm::InterruptState> state_;
};

}  // namespace shunt::runtime
