// What the host says about a file, in the guest's terms.
#pragma once

#include <sys/stat.h>
#include <time.h>

#include <cstdint>

#include "runtime/wasm/wasi/abi.h"

namespace shunt::wasi {

// Pipes have no type in preview 1: Unknown. Sockets are given as streams.
[[nodiscard]] FileType file_type(const struct stat& status) noexcept;

[[nodiscard]] FileStatus file_status(const struct stat& status) noexcept;

inline constexpr std::uint64_t ns_per_second = 1'000'000'000;

// Times before 1970 become 0, those after 2554 the greatest that 64 bits hold.
[[nodiscard]] std::uint64_t nanoseconds(const timespec& time) noexcept;
[[nodiscard]] timespec to_timespec(std::uint64_t ns) noexcept;

// Access and modification time for utimensat(2) from the arguments of *_filestat_set_times. Errors: Inval if a time is
// asked for both as given and as now.
[[nodiscard]] Errno file_times(std::uint64_t access, std::uint64_t modification, std::uint32_t fstflags,
                               timespec (&out)[2]) noexcept;

}  // namespace shunt::wasi
