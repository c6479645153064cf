#include <cstring>

#include "runtime/wasm/wasi/functions.h"

namespace shunt::wasi {
namespace {

std::uint64_t bytes_of(const std::vector<std::string>& strings) {
  std::uint64_t bytes = 0;
  for (const std::string& text : strings) bytes += text.size() + 1;
  return bytes;
}

// The pointers to `pointers`, the strings they point to, each with its zero, to `buffer`.
Errno put_strings(GuestMemory memory, const std::vector<std::string>& strings, Address pointers, Address buffer) {
  if (!memory.contains(pointers, strings.size() * sizeof(Address))) return Errno::Fault;
  const auto out = memory.view(buffer, bytes_of(strings));
  if (!out) return Errno::Fault;
  std::size_t place = 0;
  std::uint64_t pointer = pointers;
  for (const std::string& text : strings) {
    static_cast<void>(memory.store(pointer, static_cast<Address>(buffer + place)));
    std::memcpy(out->data() + place, text.c_str(), text.size() + 1);
    pointer += sizeof(Address);
    place += text.size() + 1;
  }
  return Errno::Success;
}

Errno put_sizes(GuestMemory memory, const std::vector<std::string>& strings, Address count, Address bytes) {
  const GuestResult<std::uint32_t> count_out(memory, count);
  const GuestResult<std::uint32_t> bytes_out(memory, bytes);
  if (!count_out.valid() || !bytes_out.valid()) return Errno::Fault;
  const std::uint64_t total = bytes_of(strings);
  if (total > UINT32_MAX) return Errno::Overflow;
  count_out.set(static_cast<std::uint32_t>(strings.size()));
  bytes_out.set(static_cast<std::uint32_t>(total));
  return Errno::Success;
}

}  // namespace

Errno args_get(Call call, Address argv, Address argv_buf) {
  return put_strings(call.memory, call.system.arguments, argv, argv_buf);
}

Errno args_sizes_get(Call call, Address count, Address buf_size) {
  return put_sizes(call.memory, call.system.arguments, count, buf_size);
}

Errno environ_get(Call call, Address variables, Address variables_buf) {
  return put_strings(call.memory, call.system.environment, variables, variables_buf);
}

Errno environ_sizes_get(Call call, Address count, Address buf_size) {
  return put_sizes(call.memory, call.system.environment, count, buf_size);
}

}  // namespace shunt::wasi
