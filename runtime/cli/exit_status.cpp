#include "runtime/cli/exit_status.h"

namespace shunt::cli {

int status_of(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::InvalidArgument:
      return exit_status::usage;
    case ErrorCode::BadModule:
    case ErrorCode::LimitExceeded:
    case ErrorCode::Unlinkable:
    case ErrorCode::Uninstantiable:
      return exit_status::bad_module;
    case ErrorCode::BadFlags:
      return exit_status::bad_flags;
    case ErrorCode::Interrupted:
      return exit_status::interrupted;
    case ErrorCode::Trap:
      return exit_status::trap;
    default:
      return exit_status::failure;
  }
}

int guest_status(int status) noexcept {
  const int reported = status & 0xff;
  return status != 0 && reported == 0 ? exit_status::failure : reported;
}

}  // namespace shunt::cli
