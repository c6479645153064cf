#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "runtime/wasm/wasi/errno.h"
#include "runtime/wasm/wasi/functions.h"
#include "runtime/wasm/wasi/guest_path.h"
#include "runtime/wasm/wasi/host_file.h"

namespace shunt::wasi {
namespace {

// Opens what a path names without access to its content: the object itself, or with follow what a final link leads to.
Errno open_object(Call call, Fd fd, Rights needed, std::uint32_t flags, Address path, std::uint32_t path_len,
                  HostFd& out) {
  if ((flags & ~all_lookup_flags) != 0) return Errno::Inval;
  GuestPath found;
  if (const Errno error = find_path(call, fd, needed, path, path_len, found); error != Errno::Success) return error;
  const bool follow = (flags & lookup_symlink_follow) != 0;
  return open_beneath(found.scope, found.path, follow ? O_PATH : O_PATH | O_NOFOLLOW, 0, out);
}

// The name under which /proc shows an open descriptor; for calls that take no O_PATH descriptor.
std::string proc_name(const HostFd& fd) {
  return "/proc/self/fd/" + std::to_string(fd.get());
}

}  // namespace

Errno path_create_directory(Call call, Fd fd, Address path, std::uint32_t path_len) {
  ParentEntry entry;
  const Errno error = find_parent(call, fd, rights::path_create_directory, path, path_len, entry);
  if (error != Errno::Success) return error;
  return status_of(::mkdirat(entry.directory.get(), entry.name.c_str(), 0777));
}

Errno path_remove_directory(Call call, Fd fd, Address path, std::uint32_t path_len) {
  ParentEntry entry;
  const Errno error = find_parent(call, fd, rights::path_remove_directory, path, path_len, entry);
  if (error != Errno::Success) return error;
  return status_of(::unlinkat(entry.directory.get(), entry.name.c_str(), AT_REMOVEDIR));
}

Errno path_unlink_file(Call call, Fd fd, Address path, std::uint32_t path_len) {
  ParentEntry entry;
  const Errno error = find_parent(call, fd, rights::path_unlink_file, path, path_len, entry);
  if (error != Errno::Success) return error;
  return status_of(::unlinkat(entry.directory.get(), entry.name.c_str(), 0));
}

Errno path_filestat_get(Call call, Fd fd, std::uint32_t flags, Address path, std::uint32_t path_len, Address stat) {
  const GuestResult<FileStatus> out(call.memory, stat);
  if (!out.valid()) return Errno::Fault;
  HostFd object;
  const Errno error = open_object(call, fd, rights::path_filestat_get, flags, path, path_len, object);
  if (error != Errno::Success) return error;
  struct stat status{};
  if (::fstat(object.get(), &status) != 0) return last_errno();
  out.set(file_status(status));
  return Errno::Success;
}

Errno path_filestat_set_times(Call call, Fd fd, std::uint32_t flags, Address path, std::uint32_t path_len,
                              std::uint64_t atim, std::uint64_t mtim, std::uint32_t fst_flags) {
  timespec times[2];
  if (const Errno error = file_times(atim, mtim, fst_flags, times); error != Errno::Success) return error;
  HostFd object;
  const Errno error = open_object(call, fd, rights::path_filestat_set_times, flags, path, path_len, object);
  if (error != Errno::Success) return error;
  if (::utimensat(object.get(), "", times, AT_EMPTY_PATH) == 0) return Errno::Success;
  if (errno != EINVAL && errno != ENOENT) return last_errno();
  // Before Linux 5.8 utimensat takes no empty path.
  return status_of(::utimensat(AT_FDCWD, proc_name(object).c_str(), times, 0));
}

Errno path_link(Call call, Fd old_fd, std::uint32_t old_flags, Address old_path, std::uint32_t old_path_len, Fd new_fd,
                Address new_path, std::uint32_t new_path_len) {
  HostFd object;
  if (const Errno error =
          open_object(call, old_fd, rights::path_link_source, old_flags, old_path, old_path_len, object);
      error != Errno::Success) {
    return error;
  }
  ParentEntry entry;
  const Errno error = find_parent(call, new_fd, rights::path_link_target, new_path, new_path_len, entry);
  if (error != Errno::Success) return error;
  // The link in /proc leads to exactly the object that was looked up, whatever its name means by now. (AT_EMPTY_PATH
  // needs a capability before Linux 6.10.)
  return status_of(
      ::linkat(AT_FDCWD, proc_name(object).c_str(), entry.directory.get(), entry.name.c_str(), AT_SYMLINK_FOLLOW));
}

Errno path_readlink(Call call, Fd fd, Address path, std::uint32_t path_len, Address buf, std::uint32_t buf_len,
                    Address bufused) {
  const GuestResult<std::uint32_t> out(call.memory, bufused);
  const auto buffer = call.memory.view(buf, buf_len);
  if (!out.valid() || !buffer) return Errno::Fault;
  HostFd object;
  const Errno error = open_object(call, fd, rights::path_readlink, 0, path, path_len, object);
  if (error != Errno::Success) return error;
  char text[PATH_MAX];
  const ssize_t length = ::readlinkat(object.get(), "", text, sizeof(text));
  // On an object that is no link an empty path gives ENOENT (readlink(2)).
  if (length < 0) return errno == ENOENT ? Errno::Inval : last_errno();
  const std::size_t used = std::min(static_cast<std::size_t>(length), buffer->size());
  std::memcpy(buffer->data(), text, used);
  out.set(static_cast<std::uint32_t>(used));
  return Errno::Success;
}

Errno path_rename(Call call, Fd fd, Address old_path, std::uint32_t old_path_len, Fd new_fd, Address new_path,
                  std::uint32_t new_path_len) {
  ParentEntry from;
  if (const Errno error = find_parent(call, fd, rights::path_rename_source, old_path, old_path_len, from);
      error != Errno::Success) {
    return error;
  }
  ParentEntry to;
  const Errno error = find_parent(call, new_fd, rights::path_rename_target, new_path, new_path_len, to);
  if (error != Errno::Success) return error;
  return status_of(::renameat(from.directory.get(), from.name.c_str(), to.directory.get(), to.name.c_str()));
}

Errno path_symlink(Call call, Address old_path, std::uint32_t old_path_len, Fd fd, Address new_path,
                   std::uint32_t new_path_len) {
  const auto target = call.memory.text(old_path, old_path_len);
  if (!target) return Errno::Fault;
  if (target->find('\0') != std::string_view::npos) return Errno::Inval;
  if (target->size() >= PATH_MAX) return Errno::NameTooLong;
  if (target->starts_with('/')) return Errno::NotCapable;
  ParentEntry entry;
  const Errno error = find_parent(call, fd, rights::path_symlink, new_path, new_path_len, entry);
  if (error != Errno::Success) return error;
  return status_of(::symlinkat(std::string(*target).c_str(), entry.directory.get(), entry.name.c_str()));
}

}  // namespace shunt::wasi
