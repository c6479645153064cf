// Errors of the whole library: one enum, one result type, one place where errors are made.
//
// The library never prints and never exits. A call that can fail returns Result<T>; a weaker outcome than the one asked
// for is an error, never a silent success.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "shunt/api.h"

namespace shunt {

// What went wrong, for programs. The message says it for people: the place and the remedy.
enum class ErrorCode : std::uint8_t {
  InvalidArgument,           // a precondition that the caller can see was not met
  OutOfMemory,               // no more heap, or no more room in the code reservation
  Unsupported,               // this machine, kernel or instruction set cannot do it
  ExpectedBytesMismatch,     // a patch site does not hold the bytes that its record says; nothing was written
  IllegalTransition,         // the rewrite is not legal while other threads execute the site; nothing was written
  TargetOutOfRange,          // a branch cannot reach its target, nor is there room for a veneer
  KeyBelongsToOtherEngine,   // a key belongs to the first engine that it was used with
  KeyHasSites,               // a key was about to end while code still has sites of it
  InsideOldPath,             // the caller, or a thread that waits for it, has a frame in what it wants drained
  TimedOut,                  // the time limit passed; who was waited for is named
  SerialisationUnavailable,  // no mechanism makes other cores serialise (named in the message)
  SerialisationFailed,       // written, but the core serialisation failed; resynchronise() tries again
  CodeMemoryUnavailable,     // no way to map code twice (named in the message)
  BadModule,                 // a WebAssembly module is malformed or invalid
  LimitExceeded,           // a WebAssembly module is larger than a limit that the embedder sets (named in the message)
  Unlinkable,              // an import is missing or has another type
  Uninstantiable,          // a segment does not fit, or a memory or table is larger than allowed
  Trap,                    // a guest trapped
  Interrupted,             // a guest was stopped from outside: cancelled, or its time was over
  GuestExit,               // a guest ended itself (WASI proc_exit); the status is in the message
  BadFlags,                // a flag file is malformed, or a variant or a type does not fit
  InsideCommit,            // this thread is inside a commit of the engine: a signal handler may not commit
  SystemCall,              // a system call failed (named in the message)
  BreakpointsForbidden,    // a site of the host's text goes by breakpoints, which the embedder has not allowed
  TrapHandlerReplaced,     // SIGTRAP was set to its default action, or to be ignored, after the engine's handler
  KeyHeld,                 // a key that has references was to be set; only its users switch it off
  KeyNotHeld,              // a reference was to be released, but there is none
  KeyCountExhausted,       // a key has as many references as can be counted
  AssumptionBroken,        // code depends on an assumption that was invalidated (named in the message)
  AliasWritesNotExecuted,  // an emulator that never executes what is written to code through another mapping
};

// The enumerator's name, for logs: "ExpectedBytesMismatch". Never null; thread-safe.
[[nodiscard]] SHUNT_API std::string_view name_of(ErrorCode code) noexcept;

class [[nodiscard]] SHUNT_API Error {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}
  [[nodiscard]] ErrorCode code() const noexcept { return code_; }
  [[nodiscard]] const std::string& message() const noexcept { return message_; }

 private:
  ErrorCode code_;
  std::string message_;
};

// Every error of the library is made here: the place for a breakpoint.
[[nodiscard]] SHUNT_API Error make_error(ErrorCode code, std::string message);

// A value or an Error. Like std::expected (C++23), cut down to what the library uses.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  // Precondition of all of these: has_value().
  [[nodiscard]] T& value() & { return std::get<0>(state_); }
  [[nodiscard]] const T& value() const& { return std::get<0>(state_); }
  [[nodiscard]] T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // Precondition: !has_value().
  [[nodiscard]] const Error& error() const& { return std::get<1>(state_); }
  [[nodiscard]] Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

// Success without a value.
struct Ok {};
using Status = Result<Ok>;

}  // namespace shunt
