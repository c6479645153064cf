// How the C functions fail: an empty result for programs, and a line for people that is kept per thread.
#pragma once

#include <new>
#include <type_traits>
#include <utility>

#include "shunt/error.h"

namespace shunt::wasmc {

// Keeps the message for shunt_wasm_error_message().
void keep_error(const char* message) noexcept;
void keep_error(const Error& error) noexcept;

inline bool succeeded(const Status& status) noexcept {
  if (!status) keep_error(status.error());
  return static_cast<bool>(status);
}

// Runs the body of a C function: no exception leaves it. Without memory the result is empty: null, false, zero.
template <class Body>
auto guarded(Body&& body) noexcept -> std::invoke_result_t<Body> {
  using Result = std::invoke_result_t<Body>;
  try {
    return std::forward<Body>(body)();
  } catch (const std::bad_alloc&) {
    keep_error("no heap memory");
    if constexpr (!std::is_void_v<Result>) return Result{};
  }
}

}  // namespace shunt::wasmc
