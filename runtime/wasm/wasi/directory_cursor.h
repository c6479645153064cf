// Reading a directory from any of its cookies, as fd_readdir does.
//
// A cookie is the file system's own position (d_off of getdents64(2)), so it stays valid as long as the directory is
// open, also when entries come and go. What a guest's buffer did not hold is kept, so that the usual continuation costs
// no system call.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "runtime/wasm/wasi/abi.h"

namespace shunt::wasi {

class DirectoryCursor {
 public:
  struct Entry {
    std::uint64_t next = 0;  // cookie of the entry behind it
    std::uint64_t inode = 0;
    FileType type = FileType::Unknown;
    std::string_view name;  // ends with the next call
  };

  // Continues behind the entry whose `next` is `cookie`; 0 reads the directory anew. Errors: Inval for what never was a
  // cookie (where the file system can tell).
  Errno seek(int directory, std::uint64_t cookie);

  // Reads one entry; an empty name at the end.
  Errno next(int directory, Entry& out);

 private:
  Errno fill(int directory);

  alignas(8) std::array<std::byte, 16384> buffer_;
  std::size_t position_ = 0, filled_ = 0;
  std::uint64_t cookie_ = 0;  // of the entry at position_
};

}  // namespace shunt::wasi
