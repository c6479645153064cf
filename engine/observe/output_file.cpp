#include "engine/observe/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace shunt::detail {
namespace {

Error failed(const char* call, const std::string& path, int error) {
  return make_error(ErrorCode::SystemCall, path + ": " + call + ": " + std::strerror(error));
}

}  // namespace

Result<OutputFile> OutputFile::open(std::string path, OutputMode mode) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return failed("open", path, errno);
  OutputFile file(fd, std::move(path));
  struct stat status{};
  if (fstat(fd, &status) != 0) return failed("fstat", file.path_, errno);
  if (!S_ISREG(status.st_mode) || status.st_uid != geteuid()) {
    return make_error(ErrorCode::SystemCall, file.path_ + ": not a regular file of this user; remove it");
  }
  if (mode == OutputMode::Replace && ftruncate(fd, 0) != 0) return failed("ftruncate", file.path_, errno);
  return file;
}

OutputFile::OutputFile(int descriptor, std::string path)
    : descriptor_(descriptor), path_(std::move(path)), fork_guard_(std::make_unique<ForkGuard>()) {}

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      path_(std::move(other.path_)),
      fork_guard_(std::move(other.fork_guard_)) {}

Status OutputFile::append(std::span<const std::uint8_t> bytes) {
  if (fork_guard_->in_child()) return Ok{};
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failed("write", path_, errno);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return Ok{};
}

}  // namespace shunt::detail
