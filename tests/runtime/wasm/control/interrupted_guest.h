// Guests that run until they are stopped.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "runtime/wasm/instance/instance_state.h"
#include "runtime/wasm/instance/store_state.h"
#include "runtime/wasm/module/module_state.h"
#include "tests/runtime/wasm/instance/guest_fixture.h"

namespace shunt::test {

using namespace std::chrono_literals;

// Each export runs for ever (or, `fib`, for years), once it has told the host that it does. Loops have two blocks of
// instructions: qemu-user never leaves one that jumps to itself, even when it is rewritten.
inline constexpr std::string_view endless = R"((module
  (import "host" "begun" (func $begun))
  (global $odd (mut i32) (i32.const 0))
  (func (export "loop") (call $begun)
    (loop
      (if (global.get $odd) (then (global.set $odd (i32.const 1))))
      (global.set $odd (i32.eqz (global.get $odd)))
      (br 0)))
  (func $fib (param i64) (result i64)
    (if (result i64) (i64.lt_u (local.get 0) (i64.const 2))
      (then (local.get 0))
      (else (i64.add (call $fib (i64.sub (local.get 0) (i64.const 1)))
                     (call $fib (i64.sub (local.get 0) (i64.const 2)))))))
  (func (export "fib") (result i64) (call $begun) (call $fib (i64.const 90)))
  (func $down (call $down))
  (func (export "down") (call $begun) (call $down))
  (func (export "quick") (result i32) (i32.const 7))))";

// Calls an export on a thread of its own; ends by joining it.
class Runner {
 public:
  Runner(runtime::Instance instance, std::string name)
      : thread_([this, instance, name = std::move(name)]() mutable {
          outcome_ = failure(instance.call(name));
          ended_ = true;
        }) {}
  ~Runner() {
    if (thread_.joinable()) thread_.join();
  }
  Runner(const Runner&) = delete;

  [[nodiscard]] bool ended() const { return ended_; }
  std::string outcome() {
    thread_.join();
    return outcome_;
  }

 private:
  std::string outcome_;
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

inline void await(const std::function<bool()>& condition) {
  while (!condition()) std::this_thread::sleep_for(100us);
}

class InterruptedGuest : public GuestTest {
 protected:
  void define_begun(runtime::Linker& into) {
    into.define_function("host", "begun", {}, [this](runtime::Caller, auto, auto) -> Status {
      ++begun;
      return Ok{};
    });
  }
  static StaticKey& key_of(const runtime::Instance& instance) { return instance.state()->module->control->interrupt; }

  std::atomic<int> begun{0};
};

}  // namespace shunt::test
