// Attached threads and their scopes: the public side of thread_record.h.
#include "shunt/thread.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
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
    for (const auto& record : records_) {
      if (!record->implicit) {
        record->home.thread_ended(*record);
      } else if (!record->ending.exchange(true)) {
        record->home.detach(*record);
        record->left.store(true);
        record->left.notify_all();
      }
    }
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
  void add(std::shared_ptr<ThreadRecord> record) {
    // Those that engines ended.
    std::erase_if(records_, [](const auto& other) { return other->implicit && other->ending.load(); });
    records_.push_back(std::move(record));
  }
  void remove(const ThreadRecord& record) noexcept {
    std::erase_if(records_, [&](const auto& other) { return other.get() == &record; });
  }
  // Not among those that have ended: their engines may be gone.
  template <class Matches>
  std::shared_ptr<ThreadRecord> find(Matches&& matches) const noexcept {
    for (const auto& record : records_) {
      if (record->state.load(std::memory_order_relaxed) != State::Ended && matches(*record)) return record;
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
  return attachments->find([&](const ThreadRecord& record) { return &record.home == &home; }).get();
}

// Called by a safepoint's stub. The engine is the one whose code memory holds the resume point.
// The stack is as the guest aligned it, which x86-64 lets it do as it likes.
extern "C" void shunt_safepoint_reached(const void* guest_frame) noexcept {
  GuestFrame frame;
  std::memcpy(&frame, guest_frame, sizeof frame);
  const Attachments* const attachments = Attachments::of_this_thread();
  if (attachments == nullptr) return;
  const std::shared_ptr<ThreadRecord> record =
      attachments->find([&](const ThreadRecord& other) { return other.code.contains(frame.resume_point); });
  if (record == nullptr) return;
  if (record->state.load(std::memory_order_relaxed) == State::Guest) {  // only this thread stores Guest
    record->home.reached(*record, frame);
  } else {
    record->unscoped.store(true, std::memory_order_relaxed);  // see thread_record.h
  }
}

}  // namespace detail

namespace {

// May throw std::bad_alloc; then nothing is attached.
std::shared_ptr<ThreadRecord> attach_record(detail::Quiescence& home, const detail::Region& code,
                                            Attachments& attachments, ThreadOptions options, bool implicit) {
  auto record = std::make_shared<ThreadRecord>(home, code);
  record->name = options.name.empty() ? name_of_this_thread() : std::move(options.name);
  record->walker = std::move(options.walker);
  record->kernel_id = gettid();
  record->implicit = implicit;
  attachments.add(record);
  try {
    home.attach(record);
  } catch (...) {
    attachments.remove(*record);
    throw;
  }
  return record;
}

}  // namespace

Result<Thread> Thread::attach(Engine& engine, ThreadOptions options) {
  detail::Quiescence& home = engine.impl_->quiescence;
  Attachments* const attachments = Attachments::of_this_thread();
  if (attachments == nullptr || detail::record_of_this_thread(home) != nullptr) {
    return make_error(ErrorCode::InvalidArgument,
                      "Thread::attach: this thread is attached to this engine already, or is about to end");
  }
  try {
    return Thread(attach_record(home, engine.impl_->code_region, *attachments, std::move(options), false), true);
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::OutOfMemory, "no heap memory to attach a thread");
  }
}

Result<Thread> Thread::current(Engine& engine) {
  detail::Quiescence& home = engine.impl_->quiescence;
  Attachments* const attachments = Attachments::of_this_thread();
  if (attachments == nullptr) {
    return make_error(ErrorCode::InvalidArgument, "Thread::current: this thread is about to end");
  }
  std::shared_ptr<ThreadRecord> record =
      attachments->find([&](const ThreadRecord& other) { return &other.home == &home; });
  try {
    if (record == nullptr) record = attach_record(home, engine.impl_->code_region, *attachments, {}, true);
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::OutOfMemory, "no heap memory to attach a thread");
  }
  return Thread(std::move(record), false);
}

bool Thread::attached() const noexcept {
  return record_ != nullptr && record_->state.load(std::memory_order_relaxed) != State::Ended;
}

Thread::Thread(std::shared_ptr<ThreadRecord> record, bool owns) noexcept
    : record_(std::move(record)), wanted_(&record_->wanted), owns_(owns) {}

Thread::~Thread() {
  detach();
}

Thread::Thread(Thread&& other) noexcept
    : record_(std::move(other.record_)), wanted_(std::exchange(other.wanted_, nullptr)), owns_(other.owns_) {}

Thread& Thread::operator=(Thread&& other) noexcept {
  if (this == &other) return *this;
  detach();
  record_ = std::move(other.record_);
  wanted_ = std::exchange(other.wanted_, nullptr);
  owns_ = other.owns_;
  return *this;
}

void Thread::detach() noexcept {
  if (record_ == nullptr) return;
  if (!owns_) {
    record_ = nullptr;
    return;
  }
  if (Attachments* const attachments = Attachments::of_this_thread()) attachments->remove(*record_);
  record_->home.detach(*record_);
  record_ = nullptr;
}

void Thread::reached(const GuestFrame& frame) noexcept {
  if (record_->state.load(std::memory_order_relaxed) == State::Guest) record_->home.reached(*record_, frame);
}

GuestScope::GuestScope(Thread& thread, const void* entry_mark, const FrameWalker* walker) noexcept
    : record_(*thread.record_), segment_{nullptr, entry_mark, walker, {}}, outer_unknown_(0) {
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
