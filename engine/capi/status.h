// How the C functions report: a status for programs, and a line for people that is kept per thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <new>
#include <utility>

#include "shunt/error.h"
#include "shunt/quiescence.h"
#include "shunt/shunt.h"

namespace shunt::capi {

// Keeps the error's message for shunt_error_message() and gives its status.
shunt_status fail(const Error& error) noexcept;
shunt_status fail(ErrorCode code, const char* message) noexcept;

// Runs the body of a C function: no exception leaves it. The library throws nothing but std::bad_alloc.
template <class Body>
shunt_status guarded(Body&& body) noexcept {
  try {
    return std::forward<Body>(body)();
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::OutOfMemory, "no heap memory");
  }
}

// Structures that may grow begin with `size`, the caller's sizeof: what an older caller does not know is zero.
template <class Options>
Options known_part(const Options* options) noexcept {
  Options known{};
  if (options != nullptr) std::memcpy(&known, options, std::min(options->size, sizeof known));
  return known;
}

// The other way: as much of what is reported as the caller has room for. `report` may be null.
template <class Report>
void fill_known_part(Report* report, Report from) noexcept {
  if (report == nullptr) return;
  from.size = std::min(report->size, sizeof from);
  std::memcpy(report, &from, from.size);
}

// A time limit in nanoseconds; SHUNT_NO_LIMIT and what no clock can count: none.
inline WaitLimit to_limit(std::uint64_t limit_ns) noexcept {
  if (limit_ns > static_cast<std::uint64_t>(INT64_MAX)) return {};
  return std::chrono::nanoseconds(static_cast<std::int64_t>(limit_ns));
}

inline shunt_status status_of(const Status& status) noexcept {
  return status ? SHUNT_OK : fail(status.error());
}

}  // namespace shunt::capi
