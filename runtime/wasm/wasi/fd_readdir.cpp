#include <algorithm>
#include <cstring>

#include "runtime/wasm/wasi/functions.h"

namespace shunt::wasi {
namespace {

// Appends what fits of `bytes`; false when the buffer is full, which tells the guest that there is more.
bool append(std::span<std::uint8_t> buffer, std::size_t& used, const void* bytes, std::size_t size) {
  const std::size_t fits = std::min(size, buffer.size() - used);
  std::memcpy(buffer.data() + used, bytes, fits);
  used += fits;
  return used < buffer.size();
}

bool append_entry(std::span<std::uint8_t> buffer, std::size_t& used, const DirectoryCursor::Entry& entry) {
  DirectoryEntry record{};
  record.next = entry.next;
  record.inode = entry.inode;
  record.name_length = static_cast<std::uint32_t>(entry.name.size());
  record.type = entry.type;
  return append(buffer, used, &record, sizeof(record)) && append(buffer, used, entry.name.data(), entry.name.size());
}

}  // namespace

Errno fd_readdir(Call call, Fd fd, Address buf, std::uint32_t buf_len, std::uint64_t cookie, Address bufused) {
  const GuestResult<std::uint32_t> out(call.memory, bufused);
  const auto buffer = call.memory.view(buf, buf_len);
  if (!out.valid() || !buffer) return Errno::Fault;
  Descriptor* descriptor = nullptr;
  if (const Errno error = call.system.descriptors.find(fd, rights::fd_readdir, descriptor); error != Errno::Success) {
    return error;
  }
  if (!descriptor->cursor) descriptor->cursor = std::make_unique<DirectoryCursor>();
  DirectoryCursor& cursor = *descriptor->cursor;
  const int directory = descriptor->host.get();
  if (const Errno error = cursor.seek(directory, cookie); error != Errno::Success) return error;

  std::size_t used = 0;
  while (used < buffer->size()) {
    DirectoryCursor::Entry entry;
    if (const Errno error = cursor.next(directory, entry); error != Errno::Success) return error;
    if (entry.name.empty() || !append_entry(*buffer, used, entry)) break;
  }
  out.set(static_cast<std::uint32_t>(used));
  return Errno::Success;
}

}  // namespace shunt::wasi
