#include "engine/quiesce/quiescence.h"

#include <algorithm>
#include <new>
#include <string>
#include <utility>

#include "engine/patch/mutant.h"

namespace shunt::detail {
namespace {

// Longer limits are none: a point of time that far away would not fit the clock.
constexpr std::chrono::hours longest_limit{24 * 365 * 100};

// The first of the thread's addresses in the old path, or null.
const void* address_inside(const ThreadRecord& record, const std::vector<CodeExtent>& old_path) noexcept {
  for (const CodeExtent& extent : old_path) {
    if (const void* const address = record.address_in(extent.begin, extent.end()); address != nullptr) return address;
  }
  return nullptr;
}

std::string described(const ThreadRecord& thread) {
  return "thread \"" + thread.name + "\" (" + std::to_string(thread.kernel_id) + ")";
}

}  // namespace

Quiescence::~Quiescence() {
  stop();
  end_implicit_threads();
}

void Quiescence::end_implicit_threads() {
  Lock hold(lock_);
  const Threads threads = threads_;
  hold.unlock();  // a thread that is ending takes it
  for (const auto& thread : threads) {
    if (!thread->implicit) continue;
    if (thread->ending.exchange(true)) {
      thread->left.wait(false);
    } else {
      thread->state.store(ThreadRecord::State::Ended, std::memory_order_release);
    }
  }
}

void Quiescence::attach(const std::shared_ptr<ThreadRecord>& record) {
  const Lock hold(lock_);
  threads_.push_back(record);
}

void Quiescence::detach(ThreadRecord& record) noexcept {
  // Nobody looks at it any more once it has ended.
  if (record.state.load(std::memory_order_relaxed) != ThreadRecord::State::Ended) {
    record.enter();
    record.state.store(ThreadRecord::State::Ended, std::memory_order_release);
  }
  const Lock hold(lock_);
  forget(record);
  std::erase_if(threads_, [&](const auto& other) { return other.get() == &record; });
}

void Quiescence::thread_ended(ThreadRecord& record) noexcept {
  if (record.state.load(std::memory_order_relaxed) != ThreadRecord::State::Guest) record.enter();
  record.state.store(ThreadRecord::State::Ended, std::memory_order_release);
  const Lock hold(lock_);
  if (!mutated(Mutant::KeepEndedThreads)) forget(record);
}

std::vector<ThreadInfo> Quiescence::threads() const {
  const Lock hold(lock_);
  std::vector<ThreadInfo> infos;
  for (const auto& thread : threads_) {
    ThreadInfo info{thread->name, thread->kernel_id, ThreadInfo::Where::Away};
    const ThreadRecord::State state = thread->state.load(std::memory_order_relaxed);  // for people
    if (state == ThreadRecord::State::Guest) info.where = ThreadInfo::Where::GuestCode;
    if (state == ThreadRecord::State::Ended) info.where = ThreadInfo::Where::Ended;
    infos.push_back(std::move(info));
  }
  return infos;
}

// An ended thread has no frames.
void Quiescence::forget(ThreadRecord& record) noexcept {
  record.addresses.clear();
  record.complete = true;
  apply(record);
}

void Quiescence::reached(ThreadRecord& record, const GuestFrame& frame) noexcept {
  if (!record.wanted.load(std::memory_order_relaxed)) return;  // see Thread::safepoint_at()
  record.walk(&frame);
  const Lock hold(lock_);
  apply(record);
}

// The claim is held until what was found is applied: a request that is registered later must not take it for its own,
// because the thread may have entered that request's old path in between.
void Quiescence::look(ThreadRecord& record) noexcept {
  if (!record.claim()) {
    if (!mutated(Mutant::SkipGuestThreads)) return;
    const Lock hold(lock_);
    return forget(record);
  }
  record.walk(nullptr);
  {
    const Lock hold(lock_);
    apply(record);
  }
  record.release_claim();
}

// What record.walk() found holds now, and the thread stands still.
void Quiescence::apply(ThreadRecord& record) noexcept {
  record.wanted.store(false, std::memory_order_relaxed);  // by the lock
  record.looked_in = counts_.rounds;
  ++counts_.looks;
  for (std::size_t i = 0; i < active_.size();) {
    QuiescenceRequest& request = *active_[i];
    const auto unseen = std::find_if(request.unseen.begin(), request.unseen.end(),
                                     [&](const auto& other) { return other.thread.get() == &record; });
    if (unseen != request.unseen.end()) {
      const bool drains = request.wanted == Wanted::Drained && !mutated(Mutant::SettledIsDrained);
      unseen->unknown = drains && !record.complete;
      unseen->inside = drains && record.complete ? address_inside(record, request.old_path) : nullptr;
      if (!unseen->unknown && unseen->inside == nullptr) request.unseen.erase(unseen);
    }
    if (request.unseen.empty()) {
      finish(i);
    } else {
      ++i;
    }
    if (mutated(Mutant::RoundForEach)) break;
  }
  fail_one_of_a_circle();
  changed_->notify_all();
}

void Quiescence::register_request(const std::shared_ptr<QuiescenceRequest>& request) {
  active_.reserve(active_.size() + 1);
  completions_.reserve(active_.size() + completions_.size() + 1);  // so that finish() needs no heap
  for (const auto& thread : threads_) {
    if (thread->state.load(std::memory_order_relaxed) == ThreadRecord::State::Ended)
      continue;  // stored before forget()
    request->unseen.push_back({thread, nullptr, false});
  }
  request->report.threads = static_cast<std::uint32_t>(request->unseen.size());
  request->number = ++requests_;
  ++counts_.waits;
  active_.push_back(request);
  if (request->unseen.empty() || mutated(Mutant::FreeBeforeDrained)) finish(active_.size() - 1);
}

void Quiescence::finish(std::size_t position) noexcept {
  const std::shared_ptr<QuiescenceRequest> request = active_[position];
  active_.erase(active_.begin() + static_cast<std::ptrdiff_t>(position));
  request->unseen.clear();
  request->done = true;
  if (request->completed) completions_.push_back(std::move(request->completed));
  changed_->notify_all();
}

void Quiescence::withdraw(const QuiescenceRequest& request) noexcept {
  std::erase_if(active_, [&](const auto& other) { return other.get() == &request; });
}

// Threads that block for each other's frames would wait for ever. The youngest of them is told so.
void Quiescence::fail_one_of_a_circle() noexcept {
  if (mutated(Mutant::SkipCircles)) return;
  for (std::size_t i = 0; i < active_.size(); ++i) {
    const QuiescenceRequest* youngest = nullptr;
    try {
      youngest = youngest_in_circle(*active_[i]);
      if (youngest == nullptr) continue;
      const auto found =
          std::find_if(active_.begin(), active_.end(), [&](const auto& other) { return other.get() == youngest; });
      (*found)->error = make_error(
          ErrorCode::InsideOldPath,
          described(*youngest->waiter) +
              " waits for a thread that has a frame in the old path and waits, itself, for a frame of this one: use a "
              "ticket, or leave the old path before waiting. What was to be committed is committed");
      (*found)->done = true;
      withdraw(*youngest);
      return;
    } catch (const std::bad_alloc&) {
      return;  // looked at again in the next round
    }
  }
}

const QuiescenceRequest* Quiescence::request_of(const ThreadRecord& waiter) const noexcept {
  for (const auto& request : active_) {
    if (request->waiter == &waiter) return request.get();
  }
  return nullptr;
}

// Follows who waits for whose frames. Each request is visited once.
const QuiescenceRequest* Quiescence::youngest_in_circle(const QuiescenceRequest& from) const {
  if (from.waiter == nullptr) return nullptr;
  struct Step {
    const QuiescenceRequest* request;
    const QuiescenceRequest* youngest;  // on the way from `from`
  };
  std::vector<Step> ways = {{&from, &from}};
  for (std::size_t next = 0; next < ways.size(); ++next) {
    const Step step = ways[next];
    for (const QuiescenceRequest::Unseen& unseen : step.request->unseen) {
      const QuiescenceRequest* const waits = unseen.inside == nullptr ? nullptr : request_of(*unseen.thread);
      if (waits == nullptr) continue;
      if (waits == &from) return step.youngest;
      const bool known =
          std::any_of(ways.begin(), ways.end(), [&](const Step& other) { return other.request == waits; });
      if (!known) ways.push_back({waits, waits->number > step.youngest->number ? waits : step.youngest});
    }
  }
  return nullptr;
}

Result<BlockingThread> Quiescence::blocking_thread() {
  ThreadRecord* const self = record_of_this_thread(*this);
  if (self == nullptr) return BlockingThread{};
  BlockingThread blocking{true, described(*self), {}};
  if (!self->claim()) {
    return make_error(ErrorCode::InvalidArgument,
                      blocking.who +
                          " is in guest code and would wait for itself: leave guest code by a HostScope before waiting "
                          "for Settled or Drained, or use a ticket");
  }
  bool complete = self->walk(nullptr);
  try {
    blocking.addresses = self->addresses;
  } catch (const std::bad_alloc&) {
    complete = false;
  }
  self->release_claim();
  if (complete) return blocking;
  return make_error(ErrorCode::InvalidArgument,
                    blocking.who +
                        " has guest frames that cannot be walked (guest code was entered from guest code "
                        "without a HostScope): use a ticket");
}

Result<QuiescenceReport> Quiescence::wait(Wanted wanted, std::vector<CodeExtent> old_path, const WaitLimit& limit) {
  const auto begin = std::chrono::steady_clock::now();
  const bool limited = limit && *limit < longest_limit;
  const auto request = std::make_shared<QuiescenceRequest>();
  request->wanted = wanted;
  request->old_path = std::move(old_path);
  request->waiter = record_of_this_thread(*this);
  Lock hold(lock_);
  const Threads all = threads_;
  register_request(request);
  look_at(hold, all);
  // In a forked child, requests may be done whose callbacks nobody has called yet.
  const bool calls_wait = !completions_.empty() && !mutated(Mutant::KeepParentsDriver);
  if (!request->done || calls_wait) {
    if (Status status = start_driver(); !status) {
      withdraw(*request);
      return std::move(status).error();
    }
  }
  if (!request->done) join_round();
  const auto is_done = [&] { return request->done; };
  if (!limited) {
    while (!is_done()) changed_->wait(hold);  // not on a copy: a forked child has another
  } else if (!changed_->wait_until(hold, begin + *limit, is_done)) {
    Error error = limit_error(*request);
    withdraw(*request);
    return error;
  }
  if (request->error) return *std::move(request->error);
  return request->report;
}

Status Quiescence::request(Wanted wanted, std::vector<CodeExtent> old_path, std::function<void()> completed) {
  const auto request = std::make_shared<QuiescenceRequest>();
  request->wanted = wanted;
  request->old_path = std::move(old_path);
  const Lock hold(lock_);
  if (Status status = start_driver(); !status) return status;
  request->completed = std::move(completed);
  register_request(request);
  join_round();
  return Ok{};
}

// A request was registered and is not done: it shares the round that is under way, or begins one.
void Quiescence::join_round() noexcept {
  fresh_ = true;
  if (in_round_ && !active_.empty()) {
    ++active_.back()->report.rounds;
    want_unseen();
  }
  changed_->notify_all();
}

Status Quiescence::await_completions(const WaitLimit& limit) {
  const auto begin = std::chrono::steady_clock::now();
  std::vector<CodeExtent> extents;
  {
    const Lock hold(lock_);
    for (const auto& request : active_) {
      if (request->completed) extents.insert(extents.end(), request->old_path.begin(), request->old_path.end());
    }
  }
  const Result<BlockingThread> blocking = blocking_thread();
  if (!blocking) return blocking.error();
  if (Status status = blocking->check(extents); !status) return status;
  // Whoever is seen outside of all of them is seen so by each of the earlier requests too.
  if (auto waited = wait(Wanted::Drained, std::move(extents), limit); !waited) return std::move(waited).error();
  Lock hold(lock_);
  const auto all_called = [&] { return completions_.empty() && !completing_; };
  if (!limit || *limit >= longest_limit) {
    while (!all_called()) changed_->wait(hold);
  } else if (!changed_->wait_until(hold, begin + *limit, all_called)) {
    return make_error(ErrorCode::TimedOut, "the time limit passed while callbacks of retired code were running");
  }
  return Ok{};
}

Error Quiescence::limit_error(const QuiescenceRequest& request) const {
  std::string who;
  for (const QuiescenceRequest::Unseen& unseen : request.unseen) {
    who += who.empty() ? "" : "; ";
    who += described(*unseen.thread);
    if (unseen.inside != nullptr) {
      who += " has a frame in the old path (it goes on at " + hex(unseen.inside) + ")";
    } else if (unseen.unknown) {
      who +=
          " has guest frames that cannot be walked (guest code entered without a GuestScope, or from guest code "
          "without a HostScope)";
    } else {
      who += " is in guest code and has passed no safepoint";
    }
  }
  return make_error(ErrorCode::TimedOut, "the time limit passed while waiting for " + who +
                                             ". What was to be committed is committed; wait again, or use a ticket");
}

bool Quiescence::stopping() const {
  const Lock hold(lock_);
  return stop_;
}

QuiescenceCounts Quiescence::counts() const {
  const Lock hold(lock_);
  return counts_;
}

void Quiescence::count_retired(std::size_t pieces) noexcept {
  const Lock hold(lock_);
  counts_.retired += pieces;
}

void Quiescence::count_freed(std::size_t pieces) noexcept {
  const Lock hold(lock_);
  counts_.freed += pieces;
}

}  // namespace shunt::detail
