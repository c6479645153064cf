#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "runtime/wasm/wasi/errno.h"
#include "runtime/wasm/wasi/functions.h"
#include "runtime/wasm/wasi/host_file.h"
#include "runtime/wasm/wasi/write_signals.h"

namespace shunt::wasi {
namespace {

std::uint16_t flags_from_host(int flags) {
  std::uint16_t result = 0;
  if ((flags & O_APPEND) != 0) result |= fdflag_append;
  if ((flags & O_NONBLOCK) != 0) result |= fdflag_nonblock;
  // O_SYNC includes O_DSYNC's bit (open(2)).
  if ((flags & O_SYNC) == O_SYNC) {
    result |= fdflag_sync | fdflag_rsync;
  } else if ((flags & O_DSYNC) != 0) {
    result |= fdflag_dsync;
  }
  return result;
}

// Runs `action(descriptor)`, a system call that returns -1 or what is ignored, on a descriptor with the rights for it.
template <class Action>
Errno with_descriptor(Call call, Fd fd, Rights needed, Action&& action) {
  Descriptor* descriptor = nullptr;
  if (const Errno error = call.system.descriptors.find(fd, needed, descriptor); error != Errno::Success) return error;
  return status_of(retry_interrupted([&] { return action(*descriptor); }));
}

int host_advice(std::uint32_t advice) {
  constexpr int by_number[] = {POSIX_FADV_NORMAL,   POSIX_FADV_SEQUENTIAL, POSIX_FADV_RANDOM,
                               POSIX_FADV_WILLNEED, POSIX_FADV_DONTNEED,   POSIX_FADV_NOREUSE};
  return advice < std::size(by_number) ? by_number[advice] : -1;
}

}  // namespace

Errno fd_advise(Call call, Fd fd, std::uint64_t offset, std::uint64_t len, std::uint32_t advice) {
  if (host_advice(advice) < 0 || offset > INT64_MAX || len > INT64_MAX) return Errno::Inval;
  Descriptor* descriptor = nullptr;
  if (const Errno error = call.system.descriptors.find(fd, rights::fd_advise, descriptor); error != Errno::Success) {
    return error;
  }
  return errno_from_host(::posix_fadvise(descriptor->host.get(), static_cast<off_t>(offset), static_cast<off_t>(len),
                                         host_advice(advice)));
}

Errno fd_allocate(Call call, Fd fd, std::uint64_t offset, std::uint64_t len) {
  if (offset > INT64_MAX || len > INT64_MAX) return Errno::FBig;
  return with_descriptor(call, fd, rights::fd_allocate, [&](const Descriptor& descriptor) {
    const BlockedWriteSignals blocked(descriptor.write_may_signal);
    return ::fallocate(descriptor.host.get(), 0, static_cast<off_t>(offset), static_cast<off_t>(len));
  });
}

Errno fd_close(Call call, Fd fd) {
  return call.system.descriptors.close(fd);
}

Errno fd_datasync(Call call, Fd fd) {
  return with_descriptor(call, fd, rights::fd_datasync, [](const Descriptor& d) { return ::fdatasync(d.host.get()); });
}

Errno fd_sync(Call call, Fd fd) {
  return with_descriptor(call, fd, rights::fd_sync, [](const Descriptor& d) { return ::fsync(d.host.get()); });
}

Errno fd_fdstat_get(Call call, Fd fd, Address stat) {
  const GuestResult<DescriptorStatus> out(call.memory, stat);
  if (!out.valid()) return Errno::Fault;
  const Descriptor* descriptor = call.system.descriptors.find(fd);
  if (descriptor == nullptr) return Errno::BadF;
  const int flags = ::fcntl(descriptor->host.get(), F_GETFL);
  if (flags < 0) return last_errno();
  DescriptorStatus status{};
  status.type = descriptor->type;
  status.flags = flags_from_host(flags);
  if (descriptor->nonblocking) status.flags |= fdflag_nonblock;
  status.rights_base = descriptor->base;
  status.rights_inheriting = descriptor->inheriting;
  out.set(status);
  return Errno::Success;
}

Errno fd_fdstat_set_flags(Call call, Fd fd, std::uint32_t flags) {
  if ((flags & ~std::uint32_t{all_fdflags}) != 0) return Errno::Inval;
  Descriptor* descriptor = nullptr;
  if (const Errno error = call.system.descriptors.find(fd, rights::fd_fdstat_set_flags, descriptor);
      error != Errno::Success) {
    return error;
  }
  const int host = ::fcntl(descriptor->host.get(), F_GETFL);
  if (host < 0) return last_errno();
  const std::uint32_t changed = flags ^ flags_from_host(host);
  // Linux changes the flags of synchronous writing only when a file is opened (fcntl(2), F_SETFL).
  if ((changed & (fdflag_dsync | fdflag_rsync | fdflag_sync)) != 0) return Errno::NotSup;
  if (!descriptor->host.is_owned()) {
    if ((changed & fdflag_append) != 0) return Errno::NotSup;
    descriptor->nonblocking = (flags & fdflag_nonblock) != 0;
    return Errno::Success;
  }
  int wanted = host & ~(O_APPEND | O_NONBLOCK);
  if ((flags & fdflag_append) != 0) wanted |= O_APPEND;
  if ((flags & fdflag_nonblock) != 0) wanted |= O_NONBLOCK;
  return status_of(::fcntl(descriptor->host.get(), F_SETFL, wanted));
}

Errno fd_fdstat_set_rights(Call call, Fd fd, std::uint64_t base, std::uint64_t inheriting) {
  Descriptor* descriptor = call.system.descriptors.find(fd);
  if (descriptor == nullptr) return Errno::BadF;
  if ((base & ~descriptor->base) != 0 || (inheriting & ~descriptor->inheriting) != 0) return Errno::NotCapable;
  descriptor->base = base;
  descriptor->inheriting = inheriting;
  return Errno::Success;
}

Errno fd_filestat_get(Call call, Fd fd, Address stat) {
  const GuestResult<FileStatus> out(call.memory, stat);
  if (!out.valid()) return Errno::Fault;
  struct stat status{};
  const Errno error = with_descriptor(call, fd, rights::fd_filestat_get,
                                      [&](const Descriptor& d) { return ::fstat(d.host.get(), &status); });
  if (error == Errno::Success) out.set(file_status(status));
  return error;
}

Errno fd_filestat_set_size(Call call, Fd fd, std::uint64_t size) {
  if (size > INT64_MAX) return Errno::FBig;
  return with_descriptor(call, fd, rights::fd_filestat_set_size, [&](const Descriptor& descriptor) {
    const BlockedWriteSignals blocked(descriptor.write_may_signal);
    return ::ftruncate(descriptor.host.get(), static_cast<off_t>(size));
  });
}

Errno fd_filestat_set_times(Call call, Fd fd, std::uint64_t atim, std::uint64_t mtim, std::uint32_t fst_flags) {
  timespec times[2];
  if (const Errno error = file_times(atim, mtim, fst_flags, times); error != Errno::Success) return error;
  return with_descriptor(call, fd, rights::fd_filestat_set_times,
                         [&](const Descriptor& d) { return ::futimens(d.host.get(), times); });
}

Errno fd_prestat_get(Call call, Fd fd, Address prestat) {
  const GuestResult<Prestat> out(call.memory, prestat);
  if (!out.valid()) return Errno::Fault;
  const Descriptor* descriptor = call.system.descriptors.find(fd);
  if (descriptor == nullptr || !descriptor->preopen_path) return Errno::BadF;
  Prestat result{};
  result.name_length = static_cast<std::uint32_t>(descriptor->preopen_path->size());
  out.set(result);
  return Errno::Success;
}

Errno fd_prestat_dir_name(Call call, Fd fd, Address path, std::uint32_t path_len) {
  const Descriptor* descriptor = call.system.descriptors.find(fd);
  if (descriptor == nullptr || !descriptor->preopen_path) return Errno::BadF;
  const auto out = call.memory.view(path, path_len);
  if (!out) return Errno::Fault;
  const std::string& name = *descriptor->preopen_path;
  if (path_len < name.size()) return Errno::NameTooLong;
  std::memcpy(out->data(), name.data(), name.size());
  return Errno::Success;
}

Errno fd_renumber(Call call, Fd fd, Fd to) {
  return call.system.descriptors.renumber(fd, to);
}

}  // namespace shunt::wasi
