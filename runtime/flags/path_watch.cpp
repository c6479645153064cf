#include "runtime/flags/path_watch.h"

#include <fmt/format.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <filesystem>
#include <system_error>
#include <utility>

namespace shunt::flags {
namespace fs = std::filesystem;
namespace {

constexpr std::uint32_t watched_events =
    IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB;
constexpr int max_links = 40;  // as the kernel allows on one path (path_resolution(7))

}  // namespace

PathWatch::PathWatch(std::string path) : path_(std::move(path)), fd_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
  if (fd_ < 0) shortfall_ = fmt::format("inotify_init1: {}", std::strerror(errno));
}

PathWatch::~PathWatch() {
  if (fd_ >= 0) ::close(fd_);
}

// Walks the path as the kernel does, and notes each directory entry that decides where it leads. A step that cannot be
// looked at ends the walk; `problem` says why, if it is there.
std::vector<PathWatch::Step> PathWatch::steps(std::string& problem) const {
  std::vector<Step> out;
  std::error_code error;
  const auto note = [&](std::string_view call, const fs::path& at) {
    if (error) problem = fmt::format("{} {}: {}", call, at.string(), error.message());
  };
  std::deque<fs::path> ahead;
  const auto prepend = [&](const fs::path& path) {
    std::size_t at = 0;
    for (const fs::path& part : path.relative_path())
      ahead.insert(ahead.begin() + static_cast<std::ptrdiff_t>(at++), part);
  };
  prepend(fs::absolute(path_, error));
  note("getcwd for", path_);
  fs::path directory = "/";
  for (int links = 0; !ahead.empty();) {
    const fs::path name = ahead.front();
    ahead.pop_front();
    if (name.empty() || name == ".") continue;
    if (name == "..") {
      directory = directory.parent_path();
      continue;
    }
    out.push_back({directory.string(), name.string()});
    const fs::path entry = directory / name;
    const fs::file_status status = fs::symlink_status(entry, error);
    if (status.type() == fs::file_type::none) note("lstat", entry);
    if (fs::is_symlink(status)) {
      if (++links > max_links) break;
      const fs::path target = fs::read_symlink(entry, error);
      note("readlink", entry);
      if (target.is_absolute()) directory = "/";
      prepend(target);
    } else if (fs::is_directory(status)) {
      directory = entry;
    } else {
      break;  // the file itself, or nothing yet
    }
  }
  return out;
}

// Returns false if a directory vanished meanwhile.
bool PathWatch::place_once(const std::vector<Step>& steps) {
  std::map<int, std::vector<std::string>> names;
  bool complete = true;
  shortfall_.clear();
  for (const Step& step : steps) {
    const int wd = ::inotify_add_watch(fd_, step.directory.c_str(), watched_events | IN_ONLYDIR);
    if (wd >= 0) {
      names[wd].push_back(step.name);
    } else if (errno == ENOENT || errno == ENOTDIR) {
      complete = false;
    } else {
      shortfall_ = fmt::format("inotify_add_watch {}: {}", step.directory, std::strerror(errno));
    }
  }
  for (const auto& [wd, unused] : names_) {
    if (!names.contains(wd)) ::inotify_rm_watch(fd_, wd);  // fails if its directory is gone: then so is the watch
  }
  names_ = std::move(names);
  return complete;
}

void PathWatch::place() {
  if (fd_ < 0) return;
  // A step may change between the walk and its watch, unseen: so walk again until both agree. Whoever changes steps
  // faster than this is seen by the watches that do stand.
  constexpr int attempts = 16;
  for (int i = 0; i < attempts; ++i) {
    std::string problem;
    const std::vector<Step> before = steps(problem);
    const bool complete = place_once(before);
    if (shortfall_.empty()) shortfall_ = std::move(problem);
    if (complete && steps(problem) == before) return;
  }
}

PathWatch::Seen PathWatch::give_up(std::string why) {
  ::close(std::exchange(fd_, -1));
  names_.clear();
  shortfall_ = std::move(why);
  return Seen::Changed;
}

PathWatch::Seen PathWatch::drain() {
  Seen seen = Seen::Nothing;
  alignas(inotify_event) std::array<char, 16 * 1024> buffer;
  for (;;) {
    const ssize_t got = ::read(fd_, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno != EAGAIN) return give_up(fmt::format("read of inotify: {}", std::strerror(errno)));
    if (got <= 0) return seen;
    for (const char* at = buffer.data(); at < buffer.data() + got;) {
      inotify_event event;
      std::memcpy(&event, at, sizeof event);
      const std::string_view name = event.len == 0 ? std::string_view() : std::string_view(at + sizeof event);
      at += sizeof event + event.len;
      if ((event.mask & IN_Q_OVERFLOW) != 0) seen = Seen::Changed;
      const auto watched = names_.find(event.wd);
      if (watched == names_.end()) continue;
      if ((event.mask & IN_IGNORED) != 0) {  // the directory itself is gone
        seen = Seen::Changed;
      } else if (std::ranges::find(watched->second, name) != watched->second.end()) {
        seen = std::max(seen, (event.mask & IN_MODIFY) != 0 ? Seen::Writing : Seen::Changed);
      }
    }
  }
}

}  // namespace shunt::flags
