#include "shunt/error.h"

namespace shunt {

std::string_view name_of(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::InvalidArgument:
      return "InvalidArgument";
    case ErrorCode::OutOfMemory:
      return "OutOfMemory";
    case ErrorCode::Unsupported:
      return "Unsupported";
    case ErrorCode::ExpectedBytesMismatch:
      return "ExpectedBytesMismatch";
    case ErrorCode::IllegalTransition:
      return "IllegalTransition";
    case ErrorCode::TargetOutOfRange:
      return "TargetOutOfRange";
    case ErrorCode::KeyBelongsToOtherEngine:
      return "KeyBelongsToOtherEngine";
    case ErrorCode::KeyHasSites:
      return "KeyHasSites";
    case ErrorCode::InsideOldPath:
      return "InsideOldPath";
    case ErrorCode::TimedOut:
      return "TimedOut";
    case ErrorCode::SerialisationUnavailable:
      return "SerialisationUnavailable";
    case ErrorCode::SerialisationFailed:
      return "SerialisationFailed";
    case ErrorCode::CodeMemoryUnavailable:
      return "CodeMemoryUnavailable";
    case ErrorCode::BadModule:
      return "BadModule";
    case ErrorCode::LimitExceeded:
      return "LimitExceeded";
    case ErrorCode::Unlinkable:
      return "Unlinkable";
    case ErrorCode::Uninstantiable:
      return "Uninstantiable";
    case ErrorCode::Trap:
      return "Trap";
    case ErrorCode::GuestExit:
      return "GuestExit";
    case ErrorCode::BadFlags:
      return "BadFlags";
    case ErrorCode::InsideCommit:
      return "InsideCommit";
    case ErrorCode::SystemCall:
      return "SystemCall";
    case ErrorCode::BreakpointsForbidden:
      return "BreakpointsForbidden";
    case ErrorCode::TrapHandlerReplaced:
      return "TrapHandlerReplaced";
    case ErrorCode::KeyHeld:
      return "KeyHeld";
    case ErrorCode::KeyNotHeld:
      return "KeyNotHeld";
    case ErrorCode::KeyCountExhausted:
      return "KeyCountExhausted";
    case ErrorCode::Interrupted:
      return "Interrupted";
    case ErrorCode::AssumptionBroken:
      return "AssumptionBroken";
    case ErrorCode::AliasWritesNotExecuted:
      return "AliasWritesNotExecuted";
  }
  return "(unknown error code)";
}

Error make_error(ErrorCode code, std::string message) {
  return {code, std::move(message)};
}

}  // namespace shunt
