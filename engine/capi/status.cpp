#include "engine/capi/status.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

namespace shunt::capi {
namespace {

// A fixed buffer: reporting "no memory" must not need any.
thread_local std::array<char, 1024> last_message{};

void keep(std::string_view message) noexcept {
  const std::size_t length = std::min(message.size(), last_message.size() - 1);
  std::memcpy(last_message.data(), message.data(), length);
  last_message[length] = '\0';
}

// The values are part of the binary interface: they never change.
shunt_status status_of(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::InvalidArgument:
      return SHUNT_INVALID_ARGUMENT;
    case ErrorCode::OutOfMemory:
      return SHUNT_OUT_OF_MEMORY;
    case ErrorCode::Unsupported:
      return SHUNT_UNSUPPORTED;
    case ErrorCode::ExpectedBytesMismatch:
      return SHUNT_EXPECTED_BYTES_MISMATCH;
    case ErrorCode::IllegalTransition:
      return SHUNT_ILLEGAL_TRANSITION;
    case ErrorCode::TargetOutOfRange:
      return SHUNT_TARGET_OUT_OF_RANGE;
    case ErrorCode::KeyBelongsToOtherEngine:
      return SHUNT_KEY_BELONGS_TO_OTHER_ENGINE;
    case ErrorCode::KeyHasSites:
      return SHUNT_KEY_HAS_SITES;
    case ErrorCode::SerialisationUnavailable:
      return SHUNT_SERIALISATION_UNAVAILABLE;
    case ErrorCode::SerialisationFailed:
      return SHUNT_SERIALISATION_FAILED;
    case ErrorCode::CodeMemoryUnavailable:
      return SHUNT_CODE_MEMORY_UNAVAILABLE;
    case ErrorCode::SystemCall:
      return SHUNT_SYSTEM_CALL;
    case ErrorCode::KeyHeld:
      return SHUNT_KEY_HELD;
    case ErrorCode::KeyNotHeld:
      return SHUNT_KEY_NOT_HELD;
    case ErrorCode::KeyCountExhausted:
      return SHUNT_KEY_COUNT_EXHAUSTED;
    case ErrorCode::AssumptionBroken:
      return SHUNT_ASSUMPTION_BROKEN;
    case ErrorCode::InsideOldPath:
      return SHUNT_INSIDE_OLD_PATH;
    case ErrorCode::TimedOut:
      return SHUNT_TIMED_OUT;
    case ErrorCode::BreakpointsForbidden:
      return SHUNT_BREAKPOINTS_FORBIDDEN;
    case ErrorCode::TrapHandlerReplaced:
      return SHUNT_TRAP_HANDLER_REPLACED;
    case ErrorCode::InsideCommit:
      return SHUNT_INSIDE_COMMIT;
    case ErrorCode::AliasWritesNotExecuted:
      return SHUNT_ALIAS_WRITES_NOT_EXECUTED;
    default:
      return SHUNT_OTHER;  // errors of the layers above, which this interface does not reach
  }
}

}  // namespace

shunt_status fail(const Error& error) noexcept {
  keep(error.message());
  return status_of(error.code());
}

shunt_status fail(ErrorCode code, const char* message) noexcept {
  keep(message);
  return status_of(code);
}

}  // namespace shunt::capi

extern "C" {

const char* shunt_status_name(shunt_status status) {
  switch (status) {
    case SHUNT_OK:
      return "Ok";
    case SHUNT_INVALID_ARGUMENT:
      return "InvalidArgument";
    case SHUNT_OUT_OF_MEMORY:
      return "OutOfMemory";
    case SHUNT_UNSUPPORTED:
      return "Unsupported";
    case SHUNT_EXPECTED_BYTES_MISMATCH:
      return "ExpectedBytesMismatch";
    case SHUNT_ILLEGAL_TRANSITION:
      return "IllegalTransition";
    case SHUNT_TARGET_OUT_OF_RANGE:
      return "TargetOutOfRange";
    case SHUNT_KEY_BELONGS_TO_OTHER_ENGINE:
      return "KeyBelongsToOtherEngine";
    case SHUNT_KEY_HAS_SITES:
      return "KeyHasSites";
    case SHUNT_SERIALISATION_UNAVAILABLE:
      return "SerialisationUnavailable";
    case SHUNT_SERIALISATION_FAILED:
      return "SerialisationFailed";
    case SHUNT_CODE_MEMORY_UNAVAILABLE:
      return "CodeMemoryUnavailable";
    case SHUNT_ALIAS_WRITES_NOT_EXECUTED:
      return "AliasWritesNotExecuted";
    case SHUNT_SYSTEM_CALL:
      return "SystemCall";
    case SHUNT_INSIDE_OLD_PATH:
      return "InsideOldPath";
    case SHUNT_TIMED_OUT:
      return "TimedOut";
    case SHUNT_BREAKPOINTS_FORBIDDEN:
      return "BreakpointsForbidden";
    case SHUNT_TRAP_HANDLER_REPLACED:
      return "TrapHandlerReplaced";
    case SHUNT_INSIDE_COMMIT:
      return "InsideCommit";
    case SHUNT_KEY_HELD:
      return "KeyHeld";
    case SHUNT_KEY_NOT_HELD:
      return "KeyNotHeld";
    case SHUNT_KEY_COUNT_EXHAUSTED:
      return "KeyCountExhausted";
    case SHUNT_ASSUMPTION_BROKEN:
      return "AssumptionBroken";
    case SHUNT_OTHER:
      return "Other";
  }
  return "Unknown";
}

const char* shunt_error_message(void) {
  return shunt::capi::last_message.data();
}

}  // extern "C"
