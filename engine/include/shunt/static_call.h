// A static call: a direct call whose function a patch batch replaces.
//
//   shunt::StaticCall<int(int)> hash{"hash", &hash_portable};   // a call with a result always has a function
//   shunt::StaticCall<void(int)> on_event{"on_event"};          // without a result it may be empty: a no-op
//
//   sites.call(hash);                       // in emitted code: one direct CALL (BL), or a no-op while it is empty
//   int h = hash(42);                       // in C++: through the call's trampoline
//
//   batch.set(hash, &hash_avx2);            // wrong signature: does not compile
//   batch.commit();                         // no call that starts from now on runs the old function
//
// What it costs:
//
//   emitted code -> emitted code            a direct call
//   emitted code -> any other function      a direct call, and a jump in a veneer, which extends the branch's range: a
//                                           direct jump where that reaches, else one through a pointer beside it
//   C++ -> emitted code                     an indirect call of the trampoline, whose address never changes once it is
//                                           made, so it is predicted; and the trampoline's direct jump
//   C++ -> any other function               the same, and the veneer's jump
//
// A call that no batch has ever set has no trampoline: C++ calls the initial function through a pointer.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "shunt/static_key.h"

namespace shunt {

namespace detail {

// What static calls of all signatures share. State 0: empty. State 1: calls its function.
class CallBase : public KeyBase {
 public:
  // How the engine reaches what the signature hides.
  struct Operations {
    const void* (*initial)(const CallBase&) noexcept;      // the function that it was made with; null: empty
    void (*enter)(CallBase&, const void* entry) noexcept;  // C++ calls go to `entry` from now on; null: nowhere
    bool may_be_empty;
  };

 protected:
  constexpr CallBase(const char* name, const Operations& operations, bool empty) noexcept
      : KeyBase(name, KeyKind::Call, 2, empty ? 0 : 1), operations_(&operations) {}
  ~CallBase() = default;

 private:
  friend class shunt::Engine;
  const Operations* operations_;

  // The function that the last completed batch set; null: none did. Release and acquire for the reason of
  // KeyBase::state_: a commit that finds the wanted function here has nothing to do.
  std::atomic<const void*> function_{nullptr};
};

}  // namespace detail

template <class Signature>
class StaticCall;

template <class R, class... Args>
class StaticCall<R(Args...)> : public detail::CallBase {
 public:
  using Function = R(Args...);

  // Empty: calls nothing. `name` must outlive the call.
  constexpr explicit StaticCall(const char* name) noexcept
    requires std::is_void_v<R>
      : CallBase(name, operations, true), initial_(nullptr), entry_(&nothing) {}

  // Calls `function`, which is not null.
  constexpr StaticCall(const char* name, Function* function) noexcept
      : CallBase(name, operations, false), initial_(function), entry_(function) {}
  StaticCall(const char* name, std::nullptr_t) = delete;

  // Calls the function. Any thread, also while a batch retargets the call.
  R operator()(Args... args) const {
    // Acquire: who finds the trampoline finds it written; that every core can fetch it was established before.
    return entry_.load(std::memory_order_acquire)(std::forward<Args>(args)...);
  }

  // Where C++ calls go. Once a batch has set the call to another function than it was made with, that is its
  // trampoline, whose address stays as long as the call and its engine live: a function pointer for code that knows
  // nothing of static calls. Before, the initial function.
  [[nodiscard]] Function* entry() const noexcept { return entry_.load(std::memory_order_acquire); }

 private:
  static void nothing(Args...) {}
  static const void* initial(const CallBase& call) noexcept {
    return reinterpret_cast<const void*>(static_cast<const StaticCall&>(call).initial_);
  }
  static void enter(CallBase& call, const void* entry) noexcept {
    auto* function = reinterpret_cast<Function*>(reinterpret_cast<std::uintptr_t>(entry));
    if constexpr (std::is_void_v<R>) {
      if (entry == nullptr) function = &nothing;
    }
    // Release: see operator(). The fence: every core finds it before the commit returns.
    static_cast<StaticCall&>(call).entry_.store(function, std::memory_order_release);
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
  static constexpr Operations operations{&initial, &enter, std::is_void_v<R>};

  Function* initial_;
  std::atomic<Function*> entry_;  // what C++ calls: the initial function, later the trampoline
};

}  // namespace shunt
