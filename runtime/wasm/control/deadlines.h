// Points of time at which guests are cancelled, for the whole process: one thread, which is started with the first.
#pragma once

#include <chrono>
#include <memory>

#include "shunt/error.h"

namespace shunt::wasm {

class InterruptState;

// cancel() of `state` at that time, instead of an earlier deadline of it; those of one moment come one after the other.
// Errors:
// SystemCall. Thread-safe.
Status set_deadline(const std::shared_ptr<InterruptState>& state, std::chrono::steady_clock::time_point when);

// Afterwards no deadline of `state` is carried out any more, but one may be under way. Thread-safe.
void withdraw_deadline(const InterruptState& state) noexcept;

}  // namespace shunt::wasm
