// Reading and writing: the host's system calls work on the guest's memory itself, nothing is copied.
#include <limits.h>
#include <poll.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstdint>

#include "runtime/wasm/wasi/errno.h"
#include "runtime/wasm/wasi/functions.h"
#include "runtime/wasm/wasi/write_signals.h"

namespace shunt::wasi {
namespace {

// Up to IOV_MAX non-empty buffers of a guest; the count that is returned tells it that there was more.
struct Buffers {
  iovec vectors[IOV_MAX];  // only the first `count` are set
  int count;
};

// Errors: Fault if the array or a buffer leaves the memory, Inval if the lengths together exceed 32 bits.
Errno gather(GuestMemory memory, Address iovs, std::uint32_t iovs_len, Buffers& out) {
  if (!memory.contains(iovs, std::uint64_t{iovs_len} * sizeof(IoVector))) return Errno::Fault;
  out.count = 0;
  std::uint64_t total = 0;
  for (std::uint32_t i = 0; i < iovs_len && out.count < IOV_MAX; ++i) {
    IoVector guest;
    static_cast<void>(memory.load(iovs + std::uint64_t{i} * sizeof(IoVector), guest));
    const auto view = memory.view(guest.address, guest.length);
    if (!view) return Errno::Fault;
    if (view->empty()) continue;
    total += view->size();
    if (total > UINT32_MAX) return Errno::Inval;
    out.vectors[out.count++] = {.iov_base = view->data(), .iov_len = view->size()};
  }
  return Errno::Success;
}

bool has_input(int fd) {
  pollfd request{.fd = fd, .events = POLLIN, .revents = 0};
  return retry_interrupted([&] { return ::poll(&request, 1, 0); }) != 0;
}

// What the four functions share: find the descriptor, gather the buffers, transfer, return the count.
template <class Transfer>
Errno transfer(Call call, Fd fd, Rights needed, Address iovs, std::uint32_t iovs_len, Address count, Transfer&& run) {
  const GuestResult<std::uint32_t> out(call.memory, count);
  if (!out.valid()) return Errno::Fault;
  Descriptor* descriptor = nullptr;
  if (const Errno error = call.system.descriptors.find(fd, needed, descriptor); error != Errno::Success) return error;
  Buffers buffers;
  if (const Errno error = gather(call.memory, iovs, iovs_len, buffers); error != Errno::Success) return error;
  const ssize_t done = run(*descriptor, buffers);
  if (done < 0) return last_errno();
  out.set(static_cast<std::uint32_t>(done));
  return Errno::Success;
}

}  // namespace

Errno fd_read(Call call, Fd fd, Address iovs, std::uint32_t iovs_len, Address nread) {
  return transfer(
      call, fd, rights::fd_read, iovs, iovs_len, nread,
      [](const Descriptor& descriptor, const Buffers& buffers) -> ssize_t {
        if (descriptor.nonblocking && !has_input(descriptor.host.get())) {
          errno = EAGAIN;
          return -1;
        }
        return retry_interrupted([&] { return ::readv(descriptor.host.get(), buffers.vectors, buffers.count); });
      });
}

Errno fd_write(Call call, Fd fd, Address iovs, std::uint32_t iovs_len, Address nwritten) {
  return transfer(
      call, fd, rights::fd_write, iovs, iovs_len, nwritten, [](const Descriptor& descriptor, const Buffers& buffers) {
        const BlockedWriteSignals blocked(descriptor.write_may_signal);
        return retry_interrupted([&] { return ::writev(descriptor.host.get(), buffers.vectors, buffers.count); });
      });
}

Errno fd_pread(Call call, Fd fd, Address iovs, std::uint32_t iovs_len, std::uint64_t offset, Address nread) {
  if (offset > INT64_MAX) return Errno::Inval;
  return transfer(call, fd, rights::fd_read | rights::fd_seek, iovs, iovs_len, nread,
                  [offset](const Descriptor& descriptor, const Buffers& buffers) {
                    return retry_interrupted([&] {
                      return ::preadv(descriptor.host.get(), buffers.vectors, buffers.count,
                                      static_cast<off_t>(offset));
                    });
                  });
}

Errno fd_pwrite(Call call, Fd fd, Address iovs, std::uint32_t iovs_len, std::uint64_t offset, Address nwritten) {
  if (offset > INT64_MAX) return Errno::Inval;
  return transfer(call, fd, rights::fd_write | rights::fd_seek, iovs, iovs_len, nwritten,
                  [offset](const Descriptor& descriptor, const Buffers& buffers) {
                    const BlockedWriteSignals blocked(descriptor.write_may_signal);
                    return retry_interrupted([&] {
                      return ::pwritev(descriptor.host.get(), buffers.vectors, buffers.count,
                                       static_cast<off_t>(offset));
                    });
                  });
}

namespace {

Errno seek(Call call, Fd fd, Rights needed, std::int64_t offset, int whence, Address result) {
  const GuestResult<std::uint64_t> out(call.memory, result);
  if (!out.valid()) return Errno::Fault;
  Descriptor* descriptor = nullptr;
  if (const Errno error = call.system.descriptors.find(fd, needed, descriptor); error != Errno::Success) return error;
  const off_t place = ::lseek(descriptor->host.get(), offset, whence);
  if (place < 0) return last_errno();
  out.set(static_cast<std::uint64_t>(place));
  return Errno::Success;
}

}  // namespace

Errno fd_seek(Call call, Fd fd, std::uint64_t offset, std::uint32_t whence, Address new_offset) {
  const auto distance = static_cast<std::int64_t>(offset);
  switch (whence) {
    case static_cast<std::uint32_t>(Whence::Set):
      return seek(call, fd, rights::fd_seek, distance, SEEK_SET, new_offset);
    case static_cast<std::uint32_t>(Whence::Current):
      // Asking where one is needs less than moving.
      return seek(call, fd, distance == 0 ? rights::fd_tell : rights::fd_seek, distance, SEEK_CUR, new_offset);
    case static_cast<std::uint32_t>(Whence::End):
      return seek(call, fd, rights::fd_seek, distance, SEEK_END, new_offset);
    default:
      return Errno::Inval;
  }
}

Errno fd_tell(Call call, Fd fd, Address offset) {
  return seek(call, fd, rights::fd_tell, 0, SEEK_CUR, offset);
}

}  // namespace shunt::wasi
