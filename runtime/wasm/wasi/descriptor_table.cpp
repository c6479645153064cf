#include "runtime/wasm/wasi/descriptor_table.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include "runtime/wasm/wasi/errno.h"
#include "runtime/wasm/wasi/host_file.h"

namespace shunt::wasi {
namespace {

Rights possible_rights(FileType type, int fd) {
  switch (type) {
    case FileType::Directory:
      return directory_rights;
    case FileType::RegularFile:
    case FileType::BlockDevice:
      return file_rights;
    case FileType::CharacterDevice:
      // wasi-libc takes a character device that can neither seek nor tell for a terminal.
      return ::isatty(fd) == 1 ? stream_rights : stream_rights | rights::fd_seek | rights::fd_tell;
    default:
      return stream_rights;
  }
}

bool file_size_is_limited() {
  rlimit limit{};
  return ::getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur != RLIM_INFINITY;
}

}  // namespace

Errno describe(HostFd host, Rights base, Rights inheriting, Descriptor& out) {
  struct stat status{};
  if (::fstat(host.get(), &status) != 0) return last_errno();
  out.type = file_type(status);
  out.base = base & possible_rights(out.type, host.get());
  out.inheriting = out.type == FileType::Directory ? inheriting : 0;
  out.write_may_signal = out.type != FileType::RegularFile || file_size_is_limited();
  out.host = std::move(host);
  return Errno::Success;
}

std::optional<std::uint32_t> DescriptorTable::insert(Descriptor descriptor) {
  if (is_full()) return std::nullopt;
  std::size_t slot = 0;
  while (slot < slots_.size() && slots_[slot]) ++slot;
  if (slot == slots_.size()) slots_.emplace_back();
  slots_[slot] = std::move(descriptor);
  ++open_;
  return static_cast<std::uint32_t>(slot);
}

Descriptor* DescriptorTable::find(std::uint32_t fd) noexcept {
  return fd < slots_.size() && slots_[fd] ? &*slots_[fd] : nullptr;
}

Errno DescriptorTable::find(std::uint32_t fd, Rights needed, Descriptor*& out) noexcept {
  Descriptor* found = find(fd);
  if (found == nullptr) return Errno::BadF;
  if ((found->base & needed) != needed) return Errno::NotCapable;
  out = found;
  return Errno::Success;
}

Errno DescriptorTable::close(std::uint32_t fd) noexcept {
  if (find(fd) == nullptr) return Errno::BadF;
  slots_[fd].reset();
  --open_;
  return Errno::Success;
}

Errno DescriptorTable::renumber(std::uint32_t from, std::uint32_t to) noexcept {
  if (find(from) == nullptr || find(to) == nullptr) return Errno::BadF;
  if (from == to) return Errno::Success;
  slots_[to] = std::move(slots_[from]);
  slots_[from].reset();
  --open_;
  return Errno::Success;
}

}  // namespace shunt::wasi
