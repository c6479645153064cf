#include "engine/service/service_thread.h"

#include <cstring>
#include <string>
#include <utility>

#include "engine/service/futex.h"
#include "engine/service/own_thread.h"
#include "engine/service/ticket_state.h"

namespace shunt::detail {

void PostedCallback::run() noexcept {
  callback(ticket->verdict());
}

PostedCallback* PostedCallback::end_mark() noexcept {
  static PostedCallback mark;
  return &mark;
}

PostedCallback* PostedCallback::in_order(PostedCallback* latest) noexcept {
  PostedCallback* ordered = nullptr;
  while (latest != nullptr) ordered = std::exchange(latest, std::exchange(latest->next, ordered));
  return ordered;
}

Status ServiceThread::start() {
  State state = State::None;
  if (!state_.compare_exchange_strong(state, State::Starting, std::memory_order_acquire)) return Ok{};
  const OwnThreadSignals inherited;
  const int failed = pthread_create(&thread_, nullptr, &run, this);
  if (failed != 0) {
    state_.store(State::None, std::memory_order_release);
    return make_error(ErrorCode::SystemCall, std::string("pthread_create for the engine's own thread: ") +
                                                 std::strerror(failed) + "; what is queued waits for the next commit");
  }
  pthread_setname_np(thread_, "shunt");
  state_.store(State::Running, std::memory_order_release);
  return Ok{};
}

void ServiceThread::wake() noexcept {
  work_.fetch_add(1, std::memory_order_seq_cst);                         // step 2
  if (sleeping_.load(std::memory_order_seq_cst)) futex_wake_all(work_);  // step 3
}

void* ServiceThread::run(void* self) noexcept {
  static_cast<ServiceThread*>(self)->work_until_stopped();
  return nullptr;
}

void ServiceThread::work_until_stopped() noexcept {
  while (true) {
    const std::uint32_t seen = work_.load(std::memory_order_seq_cst);  // step a
    const bool last = stopping();
    const bool again = carry_out_(impl_);  // step b
    call_back();
    if (last && close()) return;
    if (last) continue;
    sleeping_.store(true, std::memory_order_seq_cst);  // step c
    if (work_.load(std::memory_order_seq_cst) == seen)
      futex_wait(work_, seen, again ? again_after : no_limit);  // step d
    sleeping_.store(false, std::memory_order_relaxed);          // who still finds it set makes one system call too many
  }
}

void ServiceThread::call_back() noexcept {
  PostedCallback* all = posted_.load(std::memory_order_relaxed);
  if (all == nullptr || all == PostedCallback::end_mark()) return;
  all = posted_.exchange(nullptr, std::memory_order_acquire);
  for (PostedCallback* callback = PostedCallback::in_order(all); callback != nullptr;) {
    const std::unique_ptr<PostedCallback> ends_here(callback);
    callback = callback->next;
    ends_here->run();
  }
}

// From now on callbacks run where they are given. False: there are some that have to run first.
bool ServiceThread::close() noexcept {
  PostedCallback* none = nullptr;
  return posted_.compare_exchange_strong(none, PostedCallback::end_mark(), std::memory_order_acq_rel);
}

bool ServiceThread::post(std::unique_ptr<PostedCallback>& callback) noexcept {
  PostedCallback* head = posted_.load(std::memory_order_relaxed);
  do {
    if (head == PostedCallback::end_mark()) return false;
    callback->next = head;
  } while (!posted_.compare_exchange_weak(head, callback.get(), std::memory_order_release, std::memory_order_relaxed));
  [[maybe_unused]] const auto* const posted = callback.release();
  wake();
  return true;
}

void ServiceThread::stop() noexcept {
  stopping_.store(true, std::memory_order_release);
  if (state_.load(std::memory_order_acquire) == State::Running) {
    wake();
    pthread_join(thread_, nullptr);
    state_.store(State::None, std::memory_order_relaxed);  // nobody else uses an engine that ends
    return;
  }
  do {
    (void)carry_out_(impl_);
    call_back();
  } while (!close());
}

void ServiceThread::forget_thread() noexcept {
  state_.store(State::None, std::memory_order_relaxed);
  sleeping_.store(false, std::memory_order_relaxed);
  posted_.store(nullptr, std::memory_order_relaxed);  // not freed: what they hold may be the parent's business
}

}  // namespace shunt::detail
