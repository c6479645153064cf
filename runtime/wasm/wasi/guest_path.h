// The directory and the path that a path function was given.
#pragma once

#include <string_view>

#include "runtime/wasm/wasi/beneath.h"
#include "runtime/wasm/wasi/functions.h"

namespace shunt::wasi {

struct GuestPath {
  Descriptor* directory = nullptr;
  Scope scope{};
  std::string_view path;  // in guest memory
};

// Errors: BadF, NotDir if `fd` is no directory, NotCapable without `needed`, Fault.
inline Errno find_path(Call call, Fd fd, Rights needed, Address path, std::uint32_t path_len, GuestPath& out) {
  const auto text = call.memory.text(path, path_len);
  if (!text) return Errno::Fault;
  Descriptor* directory = call.system.descriptors.find(fd);
  if (directory == nullptr) return Errno::BadF;
  if (directory->type != FileType::Directory) return Errno::NotDir;
  if ((directory->base & needed) != needed) return Errno::NotCapable;
  out = {directory, Scope{directory->host.get(), call.system.lookup}, *text};
  return Errno::Success;
}

// The same, and the parent directory of the path's last component.
inline Errno find_parent(Call call, Fd fd, Rights needed, Address path, std::uint32_t path_len, ParentEntry& out) {
  GuestPath found;
  if (const Errno error = find_path(call, fd, needed, path, path_len, found); error != Errno::Success) return error;
  return open_parent(found.scope, found.path, out);
}

}  // namespace shunt::wasi
