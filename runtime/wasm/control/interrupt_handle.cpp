#include <utility>

#include "runtime/wasm/control/deadlines.h"
#include "runtime/wasm/control/interrupt_state.h"
#include "shunt/runtime/interrupt.h"

namespace shunt::runtime {

using Clock = std::chrono::steady_clock;

Status InterruptHandle::cancel(std::string reason) const {
  return state_->cancel(std::move(reason), Clock::now());
}

Status InterruptHandle::clear() const {
  wasm::withdraw_deadline(*state_);
  return state_->clear();
}

Status InterruptHandle::set_deadline(Clock::time_point when) const {
  return wasm::set_deadline(state_, when);
}

Status InterruptHandle::request_yield() const {
  return state_->request_yield();
}

InterruptReport InterruptHandle::report() const {
  return state_->report();
}

}  // namespace shunt::runtime
