// shunt_wasm.h: stopping guests from outside.
#include <algorithm>
#include <chrono>
#include <memory>

#include "runtime/capi/errors.h"
#include "runtime/capi/store.h"
#include "shunt/runtime/c/shunt_wasm.h"

struct shunt_wasm_interrupt_t {
  shunt::runtime::InterruptHandle handle;
};

namespace shunt::wasmc {
namespace {

// Ends when the function is replaced, or with the store.
struct YieldCallback {
  YieldCallback(shunt_wasm_yield_t called, void* its_env, void (*its_finalizer)(void*))
      : function(called), env(its_env), finalizer(its_finalizer) {}
  ~YieldCallback() {
    if (finalizer != nullptr) finalizer(env);
  }
  YieldCallback(const YieldCallback&) = delete;
  YieldCallback& operator=(const YieldCallback&) = delete;

  const shunt_wasm_yield_t function;
  void* const env;
  void (*const finalizer)(void*);
};

Status yield(StoreObjects& store, const YieldCallback& callback) {
  const std::unique_ptr<wasm_trap_t> trap(callback.function(callback.env));
  if (!trap) return Ok{};
  store.pending_trap = trap->counted;
  return make_error(ErrorCode::Trap, trap->counted->message);
}

// No clock of nanoseconds counts further.
std::chrono::steady_clock::time_point from_now(std::uint64_t nanoseconds) {
  const auto now = std::chrono::steady_clock::now();
  const auto most = static_cast<std::uint64_t>((std::chrono::steady_clock::time_point::max() - now).count());
  return now + std::chrono::nanoseconds(std::min(nanoseconds, most));
}

}  // namespace
}  // namespace shunt::wasmc

using shunt::wasmc::guarded;
using shunt::wasmc::succeeded;

extern "C" {

bool shunt_wasm_trap_is_interrupt(const wasm_trap_t* trap) {
  return trap->counted->interrupted;
}

shunt_wasm_interrupt_t* shunt_wasm_interrupt_new(wasm_store_t* store) {
  return guarded([&] { return new shunt_wasm_interrupt_t{store->objects->runtime_store().interrupt_handle()}; });
}
void shunt_wasm_interrupt_delete(shunt_wasm_interrupt_t* interrupt) {
  delete interrupt;
}

bool shunt_wasm_interrupt_cancel(shunt_wasm_interrupt_t* interrupt, const char* reason) {
  return guarded([&] { return succeeded(interrupt->handle.cancel(reason == nullptr ? "cancelled" : reason)); });
}
bool shunt_wasm_interrupt_clear(shunt_wasm_interrupt_t* interrupt) {
  return guarded([&] { return succeeded(interrupt->handle.clear()); });
}
bool shunt_wasm_interrupt_set_deadline(shunt_wasm_interrupt_t* interrupt, uint64_t nanoseconds) {
  return guarded([&] { return succeeded(interrupt->handle.set_deadline(shunt::wasmc::from_now(nanoseconds))); });
}
bool shunt_wasm_interrupt_request_yield(shunt_wasm_interrupt_t* interrupt) {
  return guarded([&] { return succeeded(interrupt->handle.request_yield()); });
}

uint64_t shunt_wasm_interrupt_stops(const shunt_wasm_interrupt_t* interrupt) {
  return interrupt->handle.report().stops;
}
uint64_t shunt_wasm_interrupt_yields(const shunt_wasm_interrupt_t* interrupt) {
  return interrupt->handle.report().yields;
}

void shunt_wasm_store_on_yield(wasm_store_t* store, shunt_wasm_yield_t function, void* env, void (*finalizer)(void*)) {
  guarded([&] {
    auto& objects = *store->objects;
    if (function == nullptr) return objects.runtime_store().on_yield({});
    auto callback = std::make_shared<shunt::wasmc::YieldCallback>(function, env, finalizer);
    objects.runtime_store().on_yield(
        [&objects, callback = std::move(callback)] { return shunt::wasmc::yield(objects, *callback); });
  });
}

}  // extern "C"
