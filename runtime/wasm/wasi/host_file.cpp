#include "runtime/wasm/wasi/host_file.h"

#include <limits>

namespace shunt::wasi {

FileType file_type(const struct stat& status) noexcept {
  switch (status.st_mode & S_IFMT) {
    case S_IFREG:
      return FileType::RegularFile;
    case S_IFDIR:
      return FileType::Directory;
    case S_IFLNK:
      return FileType::SymbolicLink;
    case S_IFCHR:
      return FileType::CharacterDevice;
    case S_IFBLK:
      return FileType::BlockDevice;
    case S_IFSOCK:
      return FileType::SocketStream;
    default:
      return FileType::Unknown;
  }
}

FileStatus file_status(const struct stat& status) noexcept {
  FileStatus result{};
  result.device = status.st_dev;
  result.inode = status.st_ino;
  result.type = file_type(status);
  result.links = status.st_nlink;
  result.size = static_cast<std::uint64_t>(status.st_size);
  result.access_time = nanoseconds(status.st_atim);
  result.modification_time = nanoseconds(status.st_mtim);
  result.change_time = nanoseconds(status.st_ctim);
  return result;
}

std::uint64_t nanoseconds(const timespec& time) noexcept {
  if (time.tv_sec < 0) return 0;
  const auto seconds = static_cast<std::uint64_t>(time.tv_sec);
  std::uint64_t whole = 0;
  std::uint64_t sum = 0;
  if (__builtin_mul_overflow(seconds, ns_per_second, &whole) ||
      __builtin_add_overflow(whole, static_cast<std::uint64_t>(time.tv_nsec), &sum)) {
    return std::numeric_limits<std::uint64_t>::max();
  }
  return sum;
}

timespec to_timespec(std::uint64_t ns) noexcept {
  return {.tv_sec = static_cast<time_t>(ns / ns_per_second), .tv_nsec = static_cast<long>(ns % ns_per_second)};
}

namespace {

timespec one_time(std::uint64_t ns, bool given, bool now) noexcept {
  if (now) return {.tv_sec = 0, .tv_nsec = UTIME_NOW};
  if (given) return to_timespec(ns);
  return {.tv_sec = 0, .tv_nsec = UTIME_OMIT};
}

}  // namespace

Errno file_times(std::uint64_t access, std::uint64_t modification, std::uint32_t fstflags,
                 timespec (&out)[2]) noexcept {
  const auto has = [fstflags](std::uint16_t flag) { return (fstflags & flag) != 0; };
  if ((fstflags & ~std::uint32_t{all_fstflags}) != 0) return Errno::Inval;
  if (has(set_access_time) && has(set_access_time_now)) return Errno::Inval;
  if (has(set_modification_time) && has(set_modification_time_now)) return Errno::Inval;
  out[0] = one_time(access, has(set_access_time), has(set_access_time_now));
  out[1] = one_time(modification, has(set_modification_time), has(set_modification_time_now));
  return Errno::Success;
}

}  // namespace shunt::wasi
