#include "runtime/wasm/control/interrupt_state.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "runtime/wasm/control/control_keys.h"
#include "runtime/wasm/module/module_state.h"
#include "shunt/patch_batch.h"

namespace shunt::wasm {
namespace {

using Clock = std::chrono::steady_clock;

std::int64_t nanoseconds(Clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

Status call_and_catch(const runtime::YieldFunction& function) noexcept {
  try {
    return function();
  } catch (const std::exception& exception) {
    return make_error(ErrorCode::Trap, std::string("the yield function threw an exception: ") + exception.what());
  } catch (...) {
    return make_error(ErrorCode::Trap, "the yield function threw an exception of unknown type");
  }
}

}  // namespace

void InterruptState::add_module(std::shared_ptr<const ModuleState> module) {
  const std::lock_guard hold(mutex_);
  modules_.push_back(std::move(module));
}

void InterruptState::end() noexcept {
  const std::lock_guard hold(mutex_);
  (void)give_back_locked();  // a failed core serialisation is told by the engine's next commit
  modules_.clear();
  execution_ = nullptr;
}

std::string InterruptState::reason() const {
  const std::lock_guard hold(mutex_);
  return reason_;
}

// --- requests ---

Status InterruptState::request_locked(std::uint32_t bit) {
  if (execution_ == nullptr) return Ok{};
  std::atomic_ref(execution_->interrupted).fetch_or(bit, std::memory_order_seq_cst);
  if (!running_.load(std::memory_order_seq_cst) || !switched_.empty() || modules_.empty()) return Ok{};
  PatchBatch batch(modules_.front()->control->engine);
  for (const auto& module : modules_) batch.acquire(module->control->interrupt);
  Result<CommitReport> report = batch.commit();
  if (!report) return std::move(report).error();
  switched_ = modules_;
  return Ok{};
}

Status InterruptState::request(std::uint32_t bit) {
  const std::lock_guard hold(mutex_);
  return request_locked(bit);
}

Status InterruptState::cancel(std::string reason, Clock::time_point since) {
  const std::lock_guard hold(mutex_);
  reason_ = std::move(reason);
  cancelled_at_ns_.store(running_.load() ? nanoseconds(since) : 0, std::memory_order_relaxed);
  return request_locked(cancel_bit);
}

Status InterruptState::cancel_all(std::span<const std::shared_ptr<InterruptState>> states, const std::string& reason,
                                  Clock::time_point since) {
  Status first = Ok{};
  for (const auto& state : states) {
    if (Status status = state->cancel(reason, since); !status && first) first = std::move(status);
  }
  return first;
}

Status InterruptState::request_yield() {
  return request(yield_bit);
}

Status InterruptState::clear() {
  const std::lock_guard hold(mutex_);
  if (execution_ == nullptr) return Ok{};
  std::atomic_ref(execution_->interrupted).fetch_and(~cancel_bit, std::memory_order_seq_cst);
  if (pending() != 0) return Ok{};
  return give_back_locked();
}

// --- the guest's side ---

Status InterruptState::give_back_locked() {
  if (switched_.empty()) return Ok{};
  const Modules modules = std::exchange(switched_, {});
  PatchBatch batch(modules.front()->control->engine);
  for (const auto& module : modules) batch.release(module->control->interrupt);
  Result<CommitReport> report = batch.commit();
  if (!report) return std::move(report).error();
  return Ok{};
}

void InterruptState::give_back() noexcept {
  const std::lock_guard hold(mutex_);
  (void)give_back_locked();  // as in end()
}

void InterruptState::note_latency() noexcept {
  const std::int64_t since = cancelled_at_ns_.exchange(0, std::memory_order_relaxed);
  if (since == 0) return;
  const auto latency = static_cast<std::uint64_t>(std::max<std::int64_t>(0, nanoseconds(Clock::now()) - since));
  last_latency_ns_.store(latency, std::memory_order_relaxed);
  longest_latency_ns_.store(std::max(latency, longest_latency_ns_.load(std::memory_order_relaxed)),
                            std::memory_order_relaxed);  // only the guest's thread stores
}

bool InterruptState::serve(std::optional<Error>& failure) noexcept {
  std::uint32_t bits = pending();
  if ((bits & cancel_bit) == 0 && (bits & yield_bit) != 0) {
    {
      // With the lock, so that a request that comes meanwhile finds the keys switched, or switches them itself.
      const std::lock_guard hold(mutex_);
      std::atomic_ref(execution_->interrupted).fetch_and(~yield_bit, std::memory_order_seq_cst);
      if (pending() == 0) (void)give_back_locked();  // as in end()
    }
    yields_.fetch_add(1, std::memory_order_relaxed);
    if (on_yield) {
      const HostPause pause(*this);
      if (Status status = call_and_catch(on_yield); !status) {
        failure = std::move(status).error();
        return false;
      }
    }
    // Asked for by that function, or meanwhile: nobody switched the keys, because the guest waited.
    if ((pending() & yield_bit) != 0) (void)request(yield_bit);  // a failed commit is told by the engine's next
    bits = pending();
  }
  if ((bits & cancel_bit) == 0) return true;
  note_latency();
  stops_.fetch_add(1, std::memory_order_relaxed);
  return false;
}

runtime::InterruptReport InterruptState::report() const {
  runtime::InterruptReport report;
  report.stops = stops_.load(std::memory_order_relaxed);
  report.yields = yields_.load(std::memory_order_relaxed);
  report.last_latency_ns = last_latency_ns_.load(std::memory_order_relaxed);
  report.longest_latency_ns = longest_latency_ns_.load(std::memory_order_relaxed);
  return report;
}

}  // namespace shunt::wasm
