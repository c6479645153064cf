#include "runtime/wasm/wasi/beneath_walk.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <optional>
#include <string>
#include <vector>

#include "runtime/wasm/wasi/errno.h"

namespace shunt::wasi {
namespace {

// As the kernel limits them (path_resolution(7)).
constexpr int max_links = 40;
// Every directory on the way down stays open, so that ".." goes back to where the walk came from, whatever was renamed
// since.
constexpr std::size_t max_depth = 256;

// One lookup. Each step opens one component relative to the directory reached so far, with O_NOFOLLOW; so the walk goes
// only where this code sends it: down by a name, back up by its own stack, or through the text of a symbolic link.
class Walk {
 public:
  Walk(int root, std::string_view path, int flags, mode_t mode)
      : root_(root), rest_(path), flags_(flags), mode_(mode) {}

  Errno run(HostFd& out) {
    for (;;) {
      const std::string name = take_component();
      const bool is_last = rest_.empty();
      Errno error = Errno::Success;
      if (is_last) {
        bool done = false;
        error = last(name, done, out);
        if (done) return error;
      } else {
        error = enter(name);
      }
      if (error != Errno::Success) return error;
    }
  }

 private:
  [[nodiscard]] int here() const { return stack_.empty() ? root_ : stack_.back().get(); }

  // The next component; slashes behind it go with it, and are remembered if nothing follows them.
  std::string take_component() {
    const std::size_t end = std::min(rest_.find('/'), rest_.size());
    std::string name = rest_.substr(0, end);
    const std::size_t next = std::min(rest_.find_first_not_of('/', end), rest_.size());
    if (next == rest_.size() && next > end) must_be_directory_ = true;
    rest_.erase(0, next);
    return name;
  }

  // Goes on with a link's text in place of the link.
  Errno expand(const std::string& target) {
    if (++links_ > max_links) return Errno::Loop;
    if (target.empty()) return Errno::NoEnt;
    if (target.front() == '/') return Errno::NotCapable;
    if (rest_.empty()) {
      rest_ = target;
    } else {
      rest_.insert(0, target + '/');
    }
    return Errno::Success;
  }

  // The text of a symbolic link, or nothing if `name` is none.
  [[nodiscard]] std::optional<std::string> read_link(const std::string& name) const {
    char text[PATH_MAX];
    const ssize_t length = ::readlinkat(here(), name.c_str(), text, sizeof(text));
    if (length < 0 || length == sizeof(text)) return std::nullopt;
    return std::string(text, static_cast<std::size_t>(length));
  }

  Errno go_up() {
    if (stack_.empty()) return Errno::NotCapable;
    stack_.pop_back();
    return Errno::Success;
  }

  // A component with others behind it: a directory, or a link to one.
  Errno enter(const std::string& name) {
    if (name == ".") return Errno::Success;
    if (name == "..") return go_up();
    if (const std::optional<std::string> target = read_link(name)) return expand(*target);
    const int fd = ::openat(here(), name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return last_errno();
    stack_.push_back(HostFd::owned(fd));
    return stack_.size() > max_depth ? Errno::NameTooLong : Errno::Success;
  }

  // The final component: `done` unless it was a link to follow.
  Errno last(const std::string& name, bool& done, HostFd& out) {
    done = true;
    if (name == "..") {
      const Errno error = go_up();
      return error == Errno::Success ? open_here(".", out) : error;
    }
    const bool creates = (flags_ & O_CREAT) != 0;
    if (creates && must_be_directory_) return Errno::IsDir;  // as open(2): before a link would be followed
    // O_EXCL never follows; a slash behind the name always does (open(2), path_resolution(7)).
    const bool follow = (flags_ & O_NOFOLLOW) == 0 || must_be_directory_;
    if (follow && !(creates && (flags_ & O_EXCL) != 0)) {
      if (const std::optional<std::string> target = read_link(name)) {
        done = false;
        return expand(*target);
      }
    }
    return open_here(name.c_str(), out);
  }

  Errno open_here(const char* name, HostFd& out) {
    const int flags = flags_ | O_NOFOLLOW | O_CLOEXEC | (must_be_directory_ ? O_DIRECTORY : 0);
    const int fd = retry_interrupted([&] { return ::openat(here(), name, flags, mode_); });
    if (fd < 0) return last_errno();
    HostFd opened = HostFd::owned(fd);
    // With O_PATH, O_NOFOLLOW opens a link instead of failing. A link that took the place of what read_link saw is not
    // followed.
    if ((flags_ & O_PATH) != 0 && (flags_ & O_NOFOLLOW) == 0) {
      struct stat status{};
      if (::fstat(fd, &status) != 0) return last_errno();
      if (S_ISLNK(status.st_mode)) return Errno::Loop;
    }
    out = std::move(opened);
    return Errno::Success;
  }

  int root_;
  std::string rest_;  // what is still to be looked up
  int flags_;
  mode_t mode_;
  std::vector<HostFd> stack_;  // directories below the root on the way down
  int links_ = 0;
  bool must_be_directory_ = false;
};

}  // namespace

Errno walk_beneath(int directory, std::string_view path, int flags, mode_t mode, HostFd& out) {
  return Walk(directory, path, flags, mode).run(out);
}

}  // namespace shunt::wasi
