// What the command's exit status means to scripts. A guest that ends itself passes its own status on.
#pragma once

#include "shunt/error.h"

namespace shunt::cli {

namespace exit_status {
inline constexpr int success = 0;
inline constexpr int failure = 1;  // the machine or the kernel: out of memory, a missing capability
inline constexpr int usage =
    2;  // the command line: an option, a file that cannot be opened, an export that is not there
inline constexpr int bad_module = 3;     // malformed, invalid, or its imports cannot be satisfied
inline constexpr int bad_flags = 4;      // malformed, or of another type than the guest asks for
inline constexpr int interrupted = 124;  // its time was over; as of timeout(1)
inline constexpr int trap = 134;         // as a process that called abort()
}  // namespace exit_status

// The status for an error of the library. GuestExit has none here: the guest's status is known elsewhere.
[[nodiscard]] int status_of(ErrorCode code) noexcept;

// What the system reports of a guest's own status: its low 8 bits, but never success for a failure.
[[nodiscard]] int guest_status(int status) noexcept;

}  // namespace shunt::cli
