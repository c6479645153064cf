#include "engine/serialise/thread_list.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace shunt::detail {
namespace {

class Descriptor {
 public:
  Descriptor(const char* path, int flags) noexcept : fd_(open(path, flags | O_RDONLY | O_CLOEXEC)) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  int fd_;
};

// Adds the threads of the entries that getdents64(2) wrote.
void add_threads(const char* entries, std::size_t size, std::vector<pid_t>& threads) {
  for (std::size_t at = 0; at < size;) {
    std::uint16_t length;
    std::memcpy(&length, entries + at + offsetof(dirent64, d_reclen), sizeof length);
    const char* const name = entries + at + offsetof(dirent64, d_name);
    if (name[0] != '.') threads.push_back(static_cast<pid_t>(std::strtol(name, nullptr, 10)));
    at += length;
  }
}

std::uint64_t hexadecimal(std::string_view text, std::string_view label) noexcept {
  const std::size_t at = text.find(label);
  return at == std::string_view::npos ? 0 : std::strtoull(text.data() + at + label.size(), nullptr, 16);
}

}  // namespace

ThreadListing ThreadLister::list(std::vector<pid_t>& threads) {
  constexpr std::size_t longest_entry = sizeof(dirent64);
  constexpr std::size_t least_buffer = 32 * 1024;  // about 1,300 threads
  threads.clear();
  if (buffer_.empty()) buffer_.resize(least_buffer);
  const Descriptor folder("/proc/self/task", O_DIRECTORY);
  if (folder.get() < 0) return {errno, false};
  bool full = false;
  for (unsigned calls = 1;; ++calls) {
    const long size = syscall(SYS_getdents64, folder.get(), buffer_.data(), buffer_.size());
    if (size < 0) return {errno, false};
    if (size == 0) {
      std::array<char, 16> name{};
      if (!threads.empty()) std::snprintf(name.data(), name.size(), "%d", threads.back());
      if (full) buffer_.resize(2 * buffer_.size());  // for the next time
      if (calls != 2 || threads.empty()) return {0, false};
      struct stat found{};
      if (fstatat(folder.get(), name.data(), &found, 0) == 0) return {0, true};
      return {errno == ENOENT || errno == ESRCH ? 0 : errno, false};  // those: it has ended
    }
    add_threads(buffer_.data(), static_cast<std::size_t>(size), threads);
    // A call also ends when this thread gets a signal; only a full buffer is a reason for a larger one.
    full = full || buffer_.size() - static_cast<std::size_t>(size) < longest_entry;
  }
}

ThreadStatus status_of(pid_t thread) noexcept {
  std::array<char, 64> path;
  std::snprintf(path.data(), path.size(), "/proc/self/task/%d/status", thread);
  const Descriptor file(path.data(), 0);
  std::array<char, 4096> text;
  const ssize_t size = file.get() < 0 ? 0 : read(file.get(), text.data(), text.size() - 1);
  if (size <= 0) return {};
  text[static_cast<std::size_t>(size)] = 0;
  const std::string_view status(text.data(), static_cast<std::size_t>(size));
  constexpr std::string_view state_label = "\nState:\t";
  const std::size_t state = status.find(state_label);
  const char letter = state == std::string_view::npos ? '?' : status[state + state_label.size()];
  return {letter == 'Z' || letter == 'X', letter == 'D', hexadecimal(status, "\nSigPnd:\t"),
          hexadecimal(status, "\nSigBlk:\t")};
}

}  // namespace shunt::detail
