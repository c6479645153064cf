#include "runtime/wasm/wasi/directory_cursor.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

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

bool DirectoryCursor::find_in_buffer(std::uint64_t cookie) {
  if (cookie < first_in_buffer_) return false;
  std::size_t place = 0;
  for (std::uint64_t number = first_in_buffer_; number < cookie; ++number) {
    if (place == filled_) return false;
    place += record_at(buffer_.data() + place).d_reclen;
  }
  place_ = place;
  next_ = cookie;
  return true;
}

Errno DirectoryCursor::seek(int directory, std::uint64_t cookie) {
  if (cookie > positions_.size()) return Errno::Inval;
  if (cookie != 0 && (cookie == next_ || find_in_buffer(cookie))) return Errno::Success;
  const std::int64_t position = cookie == 0 ? 0 : positions_[cookie - 1];
  if (::lseek(directory, position, SEEK_SET) < 0) return last_errno();
  if (cookie == 0) positions_.clear();
  place_ = filled_ = 0;
  next_ = first_in_buffer_ = cookie;
  return Errno::Success;
}

Errno DirectoryCursor::fill(int directory) {
  const ssize_t got = ::getdents64(directory, buffer_.data(), buffer_.size());
  if (got < 0) return last_errno();
  place_ = 0;
  filled_ = static_cast<std::size_t>(got);
  first_in_buffer_ = next_;
  return Errno::Success;
}

Errno DirectoryCursor::next(int directory, Entry& out) {
  if (place_ == filled_) {
    if (const Errno error = fill(directory); error != Errno::Success) return error;
  }
  if (filled_ == 0) {
    out = {};
    return Errno::Success;
  }
  const dirent64& record = record_at(buffer_.data() + place_);
  place_ += record.d_reclen;
  if (next_ == positions_.size()) positions_.emplace_back();
  positions_[next_++] = record.d_off;
  out.next = next_;
  out.inode = record.d_ino;
  out.type = type_of(directory, record);
  out.name = record.d_name;
  return Errno::Success;
}

}  // namespace shunt::wasi
