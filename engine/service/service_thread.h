// The engine's own thread: carries out what is queued while nobody commits, and calls the callbacks of tickets. Started
// when first needed. It sleeps until it is woken; if there is something to look after (demoted keys), for a second.
//
//   somebody who has work                   the thread
//   1. puts it on a list                    a. seen = work_
//   2. work_ += 1                           b. does all that is on the lists
//   3. if sleeping_: wakes it               c. sleeping_ = true
//                                           d. sleeps while work_ == seen; sleeping_ = false; goes to a
//
// No work is left lying: 2 and 3, c and d are sequentially consistent. If 3 finds it awake, it came before c, so d
// finds another number in work_ than a did, or the work was seen in b.
#pragma once

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

#include "shunt/error.h"
#include "shunt/ticket.h"

namespace shunt::detail {

// A callback on its way.
struct PostedCallback {
  Ticket::Callback callback;
  std::shared_ptr<TicketState> ticket;  // set when its commit is complete
  PostedCallback* next = nullptr;

  void run() noexcept;

  // Stands at the end of a list that takes no more.
  static PostedCallback* end_mark() noexcept;

  // From latest first to first first.
  static PostedCallback* in_order(PostedCallback* latest) noexcept;
};

// Thread-safe but for stop() and its end. Owned by the engine and by its tickets, so it may outlive the engine.
class ServiceThread {
 public:
  using CarryOut = bool (*)(void* impl) noexcept;

  // `carry_out` does what is queued in the engine, and says whether it is to be called again within `again_after`;
  // called on the thread until stop() returns.
  ServiceThread(CarryOut carry_out, void* impl) noexcept : carry_out_(carry_out), impl_(impl) {}
  ~ServiceThread() = default;
  ServiceThread(const ServiceThread&) = delete;
  ServiceThread& operator=(const ServiceThread&) = delete;

  // Nothing to do if it runs. Errors: SystemCall.
  Status start();

  // There is work. Does not block; async-signal-safe.
  void wake() noexcept;

  // Takes over a callback whose ticket is complete. Does not block. False: the engine has ended.
  bool post(std::unique_ptr<PostedCallback>& callback) noexcept;

  // The engine ends: carries out what is left, calls the callbacks, and ends the thread.
  void stop() noexcept;
  [[nodiscard]] bool stopping() const noexcept { return stopping_.load(std::memory_order_acquire); }

  // In a child made by fork(): the thread is not there, and callbacks are the parent's.
  void forget_thread() noexcept;

 private:
  static constexpr std::chrono::nanoseconds again_after = std::chrono::seconds(1);

  static void* run(void* self) noexcept;
  void work_until_stopped() noexcept;
  void call_back() noexcept;
  bool close() noexcept;

  enum class State : std::uint8_t { None, Starting, Running };

  CarryOut carry_out_;
  void* impl_;
  pthread_t thread_{};  // valid while state_ is Running

  // Whoever changes None to Starting starts the thread. Release and acquire, so that who sees Running sees thread_.
  std::atomic<State> state_{State::None};

  // Release and acquire, so that the thread that sees it sees all that was queued before.
  std::atomic<bool> stopping_{false};

  std::atomic<std::uint32_t> work_{0};  // a futex word; see above
  std::atomic<bool> sleeping_{false};   // see above

  // Complete callbacks, latest first; PostedCallback::end_mark() once the engine has ended. Release and acquire: who
  // takes a callback sees its verdict.
  std::atomic<PostedCallback*> posted_{nullptr};
};

}  // namespace shunt::detail
