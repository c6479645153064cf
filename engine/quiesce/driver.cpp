// The driver of grace periods: a thread of the engine that begins with the first request that finds a thread in guest
// code. See quiescence.h for the steps.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <new>
#include <system_error>
#include <utility>

#include "engine/patch/mutant.h"
#include "engine/quiesce/quiescence.h"
#include "engine/service/own_thread.h"
#include "shunt/patch_batch.h"

namespace shunt::detail {
namespace {

using std::chrono::microseconds;

// How often threads that are wanted are looked at, in case they went away meanwhile: nobody is woken for that, because
// leaving guest code shall cost one store.
constexpr microseconds first_poll{50};
constexpr microseconds last_poll{5'000};

// Between two rounds, if threads were found in an old path.
constexpr microseconds first_pause{100};
constexpr microseconds last_pause{20'000};

}  // namespace

Status Quiescence::start_driver() {
  if (driver_ != nullptr) return Ok{};
  const OwnThreadSignals inherited;
  Status status = Ok{};
  try {
    driver_ = std::make_unique<std::thread>([this] { drive(); });
  } catch (const std::system_error& error) {
    status = make_error(ErrorCode::SystemCall, std::string("the thread that waits for safepoints cannot be made: ") +
                                                   std::strerror(error.code().value()) + "; end other threads");
  }
  return status;
}

void Quiescence::stop() noexcept {
  Lock hold(lock_);
  stop_ = true;
  changed_->notify_all();
  if (driver_ != nullptr) {
    hold.unlock();
    driver_->join();
    hold.lock();
    driver_.reset();
  }
  while (!active_.empty()) finish(0);
  run_completions(hold);
}

void Quiescence::drive() noexcept {
  Lock hold(lock_);
  microseconds pause = first_pause;
  while (true) {
    run_completions(hold);
    if (stop_ && !mutated(Mutant::StopUnheard)) return;  // said, perhaps, while callbacks ran: not in time for a wait
    if (active_.empty() && completions_.empty()) {
      pause = first_pause;
      changed_->wait(hold);
      continue;
    }
    if (active_.empty()) continue;
    if (!fresh_) {
      changed_->wait_for(hold, pause, [&] { return stop_ || fresh_; });
      pause = std::min(pause * 2, last_pause);
    }
    if (fresh_) pause = first_pause;
    if (stop_ || active_.empty()) continue;
    try {
      round(hold);
    } catch (const std::bad_alloc&) {
      if (!hold.owns_lock()) hold.lock();  // another round, after a pause
    }
  }
}

void Quiescence::round(Lock& hold) {
  fresh_ = false;
  ++counts_.rounds;
  for (const auto& request : active_) ++request->report.rounds;
  in_round_ = true;
  want_unseen();  // a
  look_at(hold, wanted_threads());
  if (!wanted_threads().empty()) {
    Status switched = switch_safepoints(hold, true);  // b
    microseconds poll = first_poll;
    while (switched && !stop_) {  // c
      const Threads left = wanted_threads();
      if (left.empty()) break;
      changed_->wait_for(hold, poll);
      poll = std::min(poll * 2, last_poll);
      look_at(hold, wanted_threads());
      if (new_keys_) switched = switch_on_new_keys(hold);
    }
    const Status back = switch_safepoints(hold, false);  // d
    if (switched) switched = back;
    if (!switched) fail_waits(switched.error());
  }
  in_round_ = false;
}

// Those that were not looked at since they were wanted, and that somebody still waits for.
Quiescence::Threads Quiescence::wanted_threads() const {
  Threads threads;
  for (const auto& request : active_) {
    for (const QuiescenceRequest::Unseen& unseen : request->unseen) {
      if (!unseen.thread->wanted.load(std::memory_order_relaxed)) continue;  // by the lock
      if (std::find(threads.begin(), threads.end(), unseen.thread) == threads.end()) threads.push_back(unseen.thread);
    }
  }
  return threads;
}

// Relaxed: a thread that sees it takes the lock; one that does not yet see it passes another safepoint.
void Quiescence::want_unseen() noexcept {
  for (const auto& request : active_) {
    for (const QuiescenceRequest::Unseen& unseen : request->unseen) {
      const bool looked = unseen.inside != nullptr || unseen.unknown;
      if (!looked || unseen.thread->looked_in != counts_.rounds)
        unseen.thread->wanted.store(true, std::memory_order_relaxed);
    }
  }
}

void Quiescence::look_at(Lock& hold, const Threads& threads) noexcept {
  hold.unlock();
  for (const auto& thread : threads) look(*thread);
  hold.lock();
}

// If the commit fails, the keys are as they were, and so are the references of the further ones.
Status Quiescence::switch_safepoints(Lock& hold, bool on) {
  ++counts_.safepoint_flips;
  if (mutated(Mutant::SkipSafepointFlip)) return Ok{};
  PatchBatch batch(engine_);
  batch.set(safepoint_key, on);
  if (!mutated(Mutant::LeaveFurtherKeys)) {
    for (const SafepointKey& further : further_keys_) {
      if (on && !further.held) batch.acquire(*further.key);
      if (!on && further.held) batch.release(*further.key);
    }
  }
  const std::size_t keys = further_keys_.size();
  new_keys_ = false;
  Status status = commit_switch(hold, batch);
  if (!status) return status;
  for (std::size_t i = 0; i < keys; ++i) further_keys_[i].held = on;
  return status;
}

// Code that was published during the round may be entered by a thread that is waited for.
Status Quiescence::switch_on_new_keys(Lock& hold) {
  PatchBatch batch(engine_);
  for (const SafepointKey& further : further_keys_) {
    if (!further.held) batch.acquire(*further.key);
  }
  const std::size_t keys = further_keys_.size();
  new_keys_ = false;
  Status status = commit_switch(hold, batch);
  if (!status) return status;
  for (std::size_t i = 0; i < keys; ++i) further_keys_[i].held = true;
  return status;
}

// No key is removed meanwhile; those that are added come behind.
Status Quiescence::commit_switch(Lock& hold, PatchBatch& batch) {
  switching_ = true;
  hold.unlock();
  const Result<CommitReport> report = batch.commit();
  hold.lock();
  switching_ = false;
  changed_->notify_all();
  if (!report) return report.error();
  return Ok{};
}

void Quiescence::add_safepoint_key(StaticKey& key) {
  const Lock hold(lock_);
  further_keys_.push_back({&key, false});
  new_keys_ = true;
}

void Quiescence::remove_safepoint_key(StaticKey& key) noexcept {
  bool held = false;
  {
    Lock hold(lock_);
    while (switching_) changed_->wait(hold);
    const auto found = std::find_if(further_keys_.begin(), further_keys_.end(),
                                    [&](const SafepointKey& further) { return further.key == &key; });
    if (found == further_keys_.end()) return;
    held = found->held;
    further_keys_.erase(found);
  }
  if (held) (void)key.release(engine_);  // fails only if the core serialisation does, which the next commit reports
}

// Threads do not come to the stub: who blocks is told. What nobody blocks for is tried again in the next round.
void Quiescence::fail_waits(const Error& error) noexcept {
  for (std::size_t i = 0; i < active_.size();) {
    const std::shared_ptr<QuiescenceRequest> request = active_[i];
    if (request->completed) {
      ++i;
      continue;
    }
    request->error = error;
    finish(i);
  }
}

void Quiescence::run_completions(Lock& hold) noexcept {
  while (!completions_.empty()) {
    std::vector<std::function<void()>> completions = std::exchange(completions_, {});
    completing_ = true;
    hold.unlock();
    for (std::function<void()>& completed : completions) {
      completed();
      completed = nullptr;
    }
    hold.lock();
    completing_ = false;
    changed_->notify_all();
  }
}

void Quiescence::lock_before_fork() {
  lock_.lock();
  forking_ = getpid();
}

void Quiescence::unlock_after_fork() {
  if (getpid() != forking_) restart_in_child();
  lock_.unlock();
}

void Quiescence::restart_in_child() noexcept {
  // The thread is not there, and its handle cannot be joined; threads of the parent wait for the condition, so it can
  // be neither used nor ended.
  const auto here = std::this_thread::get_id();
  const bool forked_in_a_callback = driver_ != nullptr && driver_->get_id() == here;
  [[maybe_unused]] const auto* const left_thread = driver_.release();
  [[maybe_unused]] const auto* const left_condition = changed_.release();
  changed_ = std::make_unique<std::condition_variable>();
  in_round_ = false;
  switching_ = false;
  if (!forked_in_a_callback && !mutated(Mutant::KeepParentsDriver)) completing_ = false;  // those are the parent's
  for (const auto& thread : threads_) {
    if (thread->id != here) {
      thread->state.store(ThreadRecord::State::Ended, std::memory_order_relaxed);
      forget(*thread);
    } else if (thread->state.load(std::memory_order_relaxed) == ThreadRecord::State::Claimed) {
      thread->state.store(ThreadRecord::State::Away, std::memory_order_relaxed);  // who claimed it is not there
    }
  }
  std::erase_if(active_, [](const auto& request) { return !request->completed; });  // who blocked is not there
}

}  // namespace shunt::detail
