#include "runtime/wasm/wasi/functions.h"

namespace shunt::wasi {
namespace {

Errno refuse(Call call, Fd fd) {
  const Descriptor* descriptor = call.system.descriptors.find(fd);
  if (descriptor == nullptr) return Errno::BadF;
  return descriptor->type == FileType::SocketStream ? Errno::NotSup : Errno::NotSock;
}

}  // namespace

Errno sock_accept(Call call, Fd fd, std::uint32_t /*flags*/, Address /*accepted*/) {
  return refuse(call, fd);
}

Errno sock_recv(Call call, Fd fd, Address /*iovs*/, std::uint32_t /*iovs_len*/, std::uint32_t /*flags*/,
                Address /*nread*/, Address /*roflags*/) {
  return refuse(call, fd);
}

Errno sock_send(Call call, Fd fd, Address /*iovs*/, std::uint32_t /*iovs_len*/, std::uint32_t /*flags*/,
                Address /*nwritten*/) {
  return refuse(call, fd);
}

Errno sock_shutdown(Call call, Fd fd, std::uint32_t /*how*/) {
  return refuse(call, fd);
}

}  // namespace shunt::wasi
