// Attached threads and their scopes: the public side of thread_record.h.
#include "shunt/thread.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <new>
#include <utility>
#include <vector>

#include "engine/engine_impl.h"
#include "engine/quiesce/quiescence.h"
#include "engine/quiesce/safepoint_entry.h"

namespace shunt {

using detail::ThreadRecord;
using State = ThreadRecord::State;

namespace {

// The attachments of one thread. Those that are left when the thread ends have ended with it.
class Attachments {
 public:
  Attachments() = default;
  ~Attachments() {
    ended_ = true;
    for (const auto& record : records_) record->home.thread_ended(*record);
  }
  Attachments(const Attachments&) = delete;
  Attachments& operator=(const Attachments&) = delete;

  // Of this thread; null once its thread-local objects have ended.
  static Attachments* of_this_thread() noexcept {
    if (ended_) return nullptr;
    static thread_local Attachments attachments;
    return &attachments;
  }

  // May throw std::bad_alloc.
  void add(std::shared_ptr<ThreadRecord> record) { records_.push_back(std::move(record)); }
  void remove(const ThreadRecord& record) noexcept {
    std::erase_if(records_, [&](const auto& other) { return other.get() == &record; });
  }
  template <class Matches>
  ThreadRecord* find(Matches&& matches) const noexcept {
    for (const auto& record : records_) {
      if (matches(*record)) return record.get();
    }
    return nullptr;
  }

 private:
  static thread_local bool ended_;
  std::vector<std::shared_ptr<ThreadRecord>> records_;
};
thread_local bool Attachments::ended_ = false;

std::string name_of_this_thread() {
  char name[16] = {};
  return pthread_getname_np(pthread_self(), name, sizeof name) == 0 ? name : "";
}

}  // namespace

namespace detail {

ThreadRecord* record_of_this_thread(const Quiescence& home) noexcept {
  const Attachments* const attachments = Attachments::of_this_thread();
  if (attachments == nullptr) return nullptr;
  return attachments->find([&](const ThreadRecord& record) { return &record.home == &home; });
}

// Called by a safepoint's stub. The engine is the one whose code memory holds the resume point.
extern "C" void shunt_safepoint_reached(const GuestFrame* frame) noexcept {
  const Attachments* const attachments = Attachments::of_this_thread();
  if (attachments == nullptr) return;
  ThreadRecord* const record =
      attachments->find([&](const ThreadRecord& other) { return other.code.contains(frame->resume_point); });
  if (record == nullptr) return;
  if (record->state.load(std::memory_order_relaxed) == State::Guest) {  // only this thread stores Guest
    record->home.reached(*record, *frame);
  } else {
    record->unscoped.store(true, std::memory_order_relaxed);  // see thread_record.h
  }
}

}  // namespace detail

Result<Thread> Thread::attach(Engine& engine, ThreadOptions options) {
  detail::Quiescence& home = engine.impl_->quiescence;
  Attachments* const attachments = Attachments::of_this_thread();
  if (attachments == nullptr || detail::record_of_this_thread(home) != nullptr) {
    return make_error(ErrorCode::InvalidArgument,
                      "Thread::attach: this thread is attached to this engine already, or is about to end");
  }
  try {
    auto record = std::make_shared<ThreadRecord>(home, engine.impl_->code_region);
    record->name = options.name.empty() ? name_of_this_thread() : std::move(options.name);
    record->walker = std::move(options.walker);
    record->kernel_id = gettid();
    home.attach(record);
    Thread thread(record);  // detaches if this throws
    attachments->add(std::move(record));
    return thread;
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::OutOfMemory, "no heap memory to attach a thread");
  }
}

Thread::Thread(std::shared_ptr<ThreadRecord> record) noexcept : record_(std::move(record)), wanted_(&record_->wanted) {}

Thread::~Thread() {
  detach();
}

Thread::Thread(Thread&& other) noexcept
    : record_(std::move(other.record_)), wanted_(std::exchange(other.wanted_, nullptr)) {}

Thread& Thread::operator=(Thread&& other) noexcept {
  if (this == &other) return *this;
  detach();
  record_ = std::move(other.record_);
  wanted_ = std::exchange(other.wanted_, nullptr);
  return *this;
}

void Thread::detach() noexcept {
  if (record_ == nullptr) return;
  if (Attachments* const attachments = Attachments::of_this_thread()) attachments->remove(*record_);
  record_->home.detach(*record_);
  record_ = nullptr;
}

void Thread::reached(const GuestFrame& frame) noexcept {
  if (record_->state.load(std::memory_order_relaxed) == State::Guest) record_->home.reached(*record_, frame);
}

GuestScope::GuestScope(Thread& thread, const void* entry_mark) noexcept
    : record_(*thread.record_), segment_{nullptr, entry_mark, {}}, outer_unknown_(0) {
  // Only this thread stores Guest, so relaxed shows whether it is there.
  const bool nested = record_.state.load(std::memory_order_relaxed) == State::Guest;
  if (!nested) record_.enter();
  outer_unknown_ = record_.unknown;
  if (nested) ++record_.unknown;
  segment_.outer = record_.top;
  record_.top = &segment_;
}

GuestScope::~GuestScope() {
  if (record_.state.load(std::memory_order_relaxed) != State::Guest) record_.enter();  // a HostScope was jumped over
  const bool nested = record_.unknown != outer_unknown_;
  record_.unknown = outer_unknown_;
  record_.top = segment_.outer;
  if (!nested) record_.leave();
}

HostScope::HostScope(Thread& thread, const GuestFrame& frame) noexcept : record_(thread.record_.get()) {
  if (record_->state.load(std::memory_order_relaxed) != State::Guest) {
    record_ = nullptr;
    return;
  }
  record_->top->left_at = frame;
  record_->leave();
}

HostScope::~HostScope() {
  if (record_ == nullptr) return;
  record_->enter();
  record_->top->left_at = {};
}

}  // namespace shunt
