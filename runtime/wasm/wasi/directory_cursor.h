// Reading a directory from any of its cookies, as fd_readdir does.
//
// A cookie is the number of entries in front of it. (The file system's own positions have up to 64 bits, which 32-bit
// guests cut off: their telldir gives a long.) Positions are kept for all entries that were read, so a cookie stays
// valid until the directory is read anew from its beginning. What a guest's buffer did not hold is kept too, so that
// the usual continuation costs no system call.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

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
  bool find_in_buffer(std::uint64_t cookie);

  alignas(8) std::array<std::byte, 16384> buffer_;
  std::size_t place_ = 0, filled_ = 0;  // of the next entry in buffer_, and the end
  std::uint64_t next_ = 0;              // number of the next entry
  std::uint64_t first_in_buffer_ = 0;   // number of the entry at the beginning of buffer_
  std::vector<std::int64_t>
      positions_;  // by number: the file system's position behind that entry (d_off of getdents64(2))
};

}  // namespace shunt::wasi
