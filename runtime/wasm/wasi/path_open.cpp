#include <fcntl.h>

#include "runtime/wasm/wasi/errno.h"
#include "runtime/wasm/wasi/functions.h"
#include "runtime/wasm/wasi/guest_path.h"

namespace shunt::wasi {
namespace {

constexpr Rights reading_rights = rights::fd_read | rights::fd_readdir;
constexpr Rights writing_rights =
    rights::fd_datasync | rights::fd_write | rights::fd_allocate | rights::fd_filestat_set_size;

// Rights that the directory needs for what `oflags` ask beyond opening.
Rights needed_for(std::uint32_t oflags) {
  Rights needed = rights::path_open;
  if ((oflags & oflag_create) != 0) needed |= rights::path_create_file;
  if ((oflags & oflag_truncate) != 0) needed |= rights::path_filestat_set_size;
  return needed;
}

// The access mode follows from the rights: wasi-libc's open() asks for writing_rights if and only if it may write.
int access_mode(Rights wanted, bool directory) {
  const bool writes = (wanted & writing_rights) != 0 && !directory;
  if (!writes) return O_RDONLY;
  return (wanted & reading_rights) != 0 ? O_RDWR : O_WRONLY;
}

int host_flags(std::uint32_t dirflags, std::uint32_t oflags, Rights wanted, std::uint32_t fdflags) {
  const bool directory = (oflags & oflag_directory) != 0;
  int flags = access_mode(wanted, directory) | O_NOCTTY;
  if ((dirflags & lookup_symlink_follow) == 0) flags |= O_NOFOLLOW;
  if ((oflags & oflag_create) != 0) flags |= O_CREAT;
  if ((oflags & oflag_exclusive) != 0) flags |= O_EXCL;
  if ((oflags & oflag_truncate) != 0) flags |= O_TRUNC;
  if (directory) flags |= O_DIRECTORY;
  if ((fdflags & fdflag_append) != 0) flags |= O_APPEND;
  if ((fdflags & fdflag_nonblock) != 0) flags |= O_NONBLOCK;
  if ((fdflags & fdflag_dsync) != 0) flags |= O_DSYNC;
  if ((fdflags & (fdflag_sync | fdflag_rsync)) != 0) flags |= O_SYNC;
  return flags;
}

Errno check_flags(std::uint32_t dirflags, std::uint32_t oflags, std::uint32_t fdflags) {
  if ((dirflags & ~all_lookup_flags) != 0 || (oflags & ~std::uint32_t{all_oflags}) != 0 ||
      (fdflags & ~std::uint32_t{all_fdflags}) != 0) {
    return Errno::Inval;
  }
  // Kernels differ in what they make of it; it can never succeed in a useful way.
  if ((oflags & oflag_create) != 0 && (oflags & oflag_directory) != 0) return Errno::Inval;
  return Errno::Success;
}

}  // namespace

Errno path_open(Call call, Fd fd, std::uint32_t dirflags, Address path, std::uint32_t path_len, std::uint32_t oflags,
                std::uint64_t rights_base, std::uint64_t rights_inheriting, std::uint32_t fdflags, Address opened) {
  const GuestResult<Fd> out(call.memory, opened);
  if (!out.valid()) return Errno::Fault;
  if (const Errno error = check_flags(dirflags, oflags, fdflags); error != Errno::Success) return error;
  GuestPath found;
  if (const Errno error = find_path(call, fd, needed_for(oflags), path, path_len, found); error != Errno::Success) {
    return error;
  }
  if (((rights_base | rights_inheriting) & ~found.directory->inheriting) != 0) return Errno::NotCapable;
  if (call.system.descriptors.is_full()) return Errno::MFile;

  HostFd host;
  const int flags = host_flags(dirflags, oflags, rights_base, fdflags);
  if (const Errno error = open_beneath(found.scope, found.path, flags, 0666, host); error != Errno::Success)
    return error;
  Descriptor descriptor;
  if (const Errno error = describe(std::move(host), rights_base, rights_inheriting, descriptor);
      error != Errno::Success) {
    return error;
  }
  const std::optional<Fd> number = call.system.descriptors.insert(std::move(descriptor));
  if (!number) return Errno::MFile;
  out.set(*number);
  return Errno::Success;
}

}  // namespace shunt::wasi
