#include "runtime/wasm/wasi/directory_cursor.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <limits>

#include "runtime/wasm/wasi/errno.h"
#include "runtime/wasm/wasi/host_file.h"

namespace shunt::wasi {
namespace {

const dirent64& record_at(const std::byte* place) {
  return *reinterpret_cast<const dirent64*>(place);
}

FileType type_of(int directory, const dirent64& record) {
  switch (record.d_type) {
    case DT_REG:
      return FileType::RegularFile;
    case DT_DIR:
      return FileType::Directory;
    case DT_LNK:
      return FileType::SymbolicLink;
    case DT_CHR:
      return FileType::CharacterDevice;
    case DT_BLK:
      return FileType::BlockDevice;
    case DT_SOCK:
      return FileType::SocketStream;
    default:
      break;
  }
  struct stat status{};  // some file systems give no types in their entries
  if (::fstatat(directory, record.d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) return FileType::Unknown;
  return file_type(status);
}

}  // namespace

Errno DirectoryCursor::seek(int directory, std::uint64_t cookie) {
  if (cookie != 0) {
    if (cookie == cookie_) return Errno::Success;
    for (std::size_t place = 0; place < filled_;) {
      const dirent64& record = record_at(buffer_.data() + place);
      place += record.d_reclen;
      if (static_cast<std::uint64_t>(record.d_off) == cookie) {
        position_ = place;
        cookie_ = cookie;
        return Errno::Success;
      }
    }
  }
  if (cookie > std::numeric_limits<off_t>::max()) return Errno::Inval;
  if (::lseek(directory, static_cast<off_t>(cookie), SEEK_SET) < 0) return last_errno();
  position_ = filled_ = 0;
  cookie_ = cookie;
  return Errno::Success;
}

Errno DirectoryCursor::fill(int directory) {
  const ssize_t got = ::getdents64(directory, buffer_.data(), buffer_.size());
  if (got < 0) return last_errno();
  position_ = 0;
  filled_ = static_cast<std::size_t>(got);
  return Errno::Success;
}

Errno DirectoryCursor::next(int directory, Entry& out) {
  if (position_ == filled_) {
    if (const Errno error = fill(directory); error != Errno::Success) return error;
  }
  if (filled_ == 0) {
    out = {};
    return Errno::Success;
  }
  const dirent64& record = record_at(buffer_.data() + position_);
  out.next = static_cast<std::uint64_t>(record.d_off);
  out.inode = record.d_ino;
  out.type = type_of(directory, record);
  out.name = record.d_name;
  position_ += record.d_reclen;
  cookie_ = out.next;
  return Errno::Success;
}

}  // namespace shunt::wasi
