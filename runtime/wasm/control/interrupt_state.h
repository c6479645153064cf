// Interruption of one store's guests.
//
// A request:
//   1. sets a bit of ExecutionState::interrupted
//   2. if guest code is running, switches the interrupt keys of the store's modules on, by one reference each, in one
//      batch. Every guest thread in those modules now comes to the stub at each site; for those of other stores nothing
//      is wanted, and they go on.
// The guest:
//   3. at its next site sees the bit and serves it: stops, or calls the yield function
//   4. gives the references back, which switches the keys off, unless others hold them.
//
// A guest that waits for a host function or the host is not running: it reads the bits before it goes on. Who goes on
// or leaves and who requests may come at the same time:
//
//   guest, going on:  running = true;  read bits        requester: set bit;  read running
//   guest, leaving:   running = false; read bits
//
// All of them are sequentially consistent, so at least one sees the other: a guest that goes on and misses the bit is
// seen running, and the keys are switched; one that leaves and misses it was seen not running, and they are not.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/wasm/instance/vm_context.h"
#include "shunt/error.h"
#include "shunt/runtime/interrupt.h"

namespace shunt::wasm {

struct ModuleState;

class InterruptState {
 public:
  InterruptState(const InterruptState&) = delete;
  InterruptState& operator=(const InterruptState&) = delete;

  static constexpr std::uint32_t cancel_bit = 1, yield_bit = 2;

  explicit InterruptState(ExecutionState& execution) noexcept : execution_(&execution) {}

  // --- the thread that the store belongs to ---

  void add_module(std::shared_ptr<const ModuleState> module);
  void end() noexcept;  // the store ends

  // Around each stretch of guest code: a call, and again what follows a host function or a yield. pending() is read
  // after run().
  void run() noexcept { running_.store(true, std::memory_order_seq_cst); }
  void leave() noexcept {
    running_.store(false, std::memory_order_seq_cst);
    if (pending() != 0) give_back();
  }

  // What is wanted, as bits.
  [[nodiscard]] std::uint32_t pending() const noexcept {
    return std::atomic_ref(execution_->interrupted).load(std::memory_order_seq_cst);
  }

  // Serves what is wanted; the guest runs, or is about to. False: it is to stop, with TrapCode::Interrupted; or with
  // HostError, whose error is put into `failure`.
  bool serve(std::optional<Error>& failure) noexcept;

  [[nodiscard]] std::string reason() const;

  runtime::YieldFunction on_yield;

  // --- any thread ---

  Status cancel(std::string reason, std::chrono::steady_clock::time_point since);
  Status clear();
  Status request_yield();
  [[nodiscard]] runtime::InterruptReport report() const;

  // cancel() of several stores, one after the other: each takes a reference of its modules' keys, and only the first
  // of a key rewrites sites.
  static Status cancel_all(std::span<const std::shared_ptr<InterruptState>> states, const std::string& reason,
                           std::chrono::steady_clock::time_point since);

 private:
  using Modules = std::vector<std::shared_ptr<const ModuleState>>;

  Status request(std::uint32_t bit);
  Status request_locked(std::uint32_t bit);
  void give_back() noexcept;
  Status give_back_locked();
  void note_latency() noexcept;

  // Protects all below but what is atomic. Held over a commit; nothing of the store is called with it held.
  mutable std::mutex mutex_;
  ExecutionState* execution_;  // null once the store has ended; the store's thread reads it without the lock
  Modules modules_;            // of the store
  Modules switched_;           // whose interrupt keys have a reference of this
  std::string reason_;

  std::atomic<bool> running_{false};
  // Of the cancel that was not noticed yet, of the steady clock; 0: none, or no guest was running. Relaxed: for
  // reports.
  std::atomic<std::int64_t> cancelled_at_ns_{0};
  std::atomic<std::uint64_t> stops_{0}, yields_{0}, last_latency_ns_{0}, longest_latency_ns_{0};
};

// While one is alive, the guest waits.
class HostPause {
 public:
  explicit HostPause(InterruptState& state) noexcept : state_(state) { state_.leave(); }
  ~HostPause() { state_.run(); }
  HostPause(const HostPause&) = delete;
  HostPause& operator=(const HostPause&) = delete;

 private:
  InterruptState& state_;
};

}  // namespace shunt::wasm
