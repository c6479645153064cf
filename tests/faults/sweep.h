// The sweep: an operation is done once, to see which calls it makes; then again for each of them, with that call
// failing, once and for good, with each error that it may have. After a failure
//   - the error is named: its message says which call failed, and why, as the system puts it;
//   - nothing is half done: state, mappings and descriptors are as before;
//   - the same operation succeeds, and what it made works.
// An operation may also succeed in spite of the fault, by another way; then what it made works too.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <exception>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>

#include "shunt/error.h"
#include "tests/faults/injection.h"

namespace shunt::faults {

struct Operation {
  std::function<void()> prepare = [] {};  // before each attempt; with `finish`, every round begins alike
  std::function<Status()> attempt;        // what is swept
  std::function<std::string()> state = [] { return std::string(); };  // what a failed attempt may not change
  std::function<void()> works = [] {};                                // EXPECTs, after an attempt that succeeded
  std::function<void()> finish = [] {};                               // ends what prepare and attempt made
  // Whether this error leaves something changed, as its declaration says (SerialisationFailed: the bytes are written).
  std::function<bool(const Error&)> leaves = [](const Error&) { return false; };
  // Whether each round runs in a child process: for what is done once in a process.
  bool in_children = false;
  // Whether a failed attempt may leave mappings: what the process has once, and keeps.
  bool may_keep_mappings = false;
};

struct Swept {
  std::size_t calls = 0, rounds = 0, refused = 0;  // refused: rounds whose attempt failed
};

// EXPECTs all of the above. `name` is for messages.
Swept sweep(const char* name, const Operation& operation);

// The value's Status, for attempts.
template <class T>
Status status_of(Result<T>& result) {
  if (result) return Ok{};
  return result.error();
}

// Whether the message of a failure names the call and says why it failed.
[[nodiscard]] bool names(std::string_view message, std::string_view call, int error);

}  // namespace shunt::faults
