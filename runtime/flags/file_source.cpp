#include "shunt/runtime/flag_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <new>
#include <optional>
#include <thread>
#include <tuple>
#include <utility>

#include "runtime/flags/path_watch.h"
#include "runtime/flags/quiet_thread.h"

namespace shunt::flags {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t max_bytes = std::size_t{64}
                                  << 20;  // far above any real flag file: a wrong path must not fill memory

Error cannot(std::string_view path, std::string_view what, std::string_view why) {
  return make_error(ErrorCode::BadFlags, fmt::format("{}: cannot {}: {}", path, what, why));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) noexcept : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  int fd_;
};

// Whether a system call that failed with this may succeed later though nobody touches the file.
bool may_pass_by_itself(int problem) noexcept {
  return problem == EMFILE || problem == ENFILE || problem == ENOMEM || problem == EIO || problem == EAGAIN;
}

// The whole text of a file. With `only_regular`, opening never waits for a pipe's writer. `problem` is the errno of a
// system call that failed, else as it was.
Result<std::string> read_text(const std::string& path, bool only_regular, int& problem) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | (only_regular ? O_NONBLOCK : 0)));
  if (file.get() < 0) {
    problem = errno;
    return cannot(path, "open the flag file",
                  fmt::format("{}: name a file that exists and can be read", std::strerror(problem)));
  }
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) {
    problem = errno;
    return cannot(path, "examine the flag file", std::strerror(problem));
  }
  if (S_ISDIR(status.st_mode)) return cannot(path, "read the flag file", "it is a directory: name a file in it");
  if (only_regular && !S_ISREG(status.st_mode)) {
    return cannot(path, "watch the flag file", "it is not a regular file: name one, or do not watch it");
  }
  std::string text;
  std::array<char, 64 * 1024> buffer;
  for (;;) {
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      problem = errno;
      return cannot(path, "read the flag file", std::strerror(problem));
    }
    if (got == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
    if (text.size() > max_bytes) return cannot(path, "read the flag file", "it has more than 64 MiB: name a flag file");
  }
}

// What tells one version of a file from the next without reading it; for polling.
using Fingerprint = std::tuple<dev_t, ino_t, off_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t>;
Fingerprint fingerprint(const std::string& path) {
  struct stat s{};
  if (::stat(path.c_str(), &s) != 0) return {};
  return {s.st_dev, s.st_ino, s.st_size, s.st_mtim.tv_sec, s.st_mtim.tv_nsec, s.st_ctim.tv_sec, s.st_ctim.tv_nsec};
}

}  // namespace

Result<LoadReport> load_file(FlagSet& set, const std::string& path) {
  int problem = 0;
  Result<std::string> text = read_text(path, false, problem);
  if (!text) return text.error();
  return set.load_json(*text, path);
}

struct FileSource::Impl {
  FlagSet& set;
  const std::string path;
  const Callback callback;
  const FileSourceOptions options;
  LoadReport first_load;
  Descriptor stop{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  std::thread thread;
  std::atomic_flag may_run;  // set when the first load is over; release and acquire: the thread sees what it left

  mutable std::mutex mechanism_lock;  // protects `mechanism` alone
  std::string mechanism;

  // The thread's own from here on.
  std::optional<PathWatch> watch;  // empty if inotify is not to be used
  Fingerprint polled{};
  std::optional<std::string>
      last_text;  // of the last version that was reported, good or bad; empty if it could not be read
  std::optional<Clock::time_point> noticed;   // a change that is not reported yet
  Clock::time_point quiet_at;                 // then it is
  std::string last_failure;                   // to read or to load the file, reported
  std::optional<Clock::time_point> retry_at;  // after a failure that may pass by itself

  Impl(FlagSet& flag_set, std::string file, Callback&& call, const FileSourceOptions& how)
      : set(flag_set), path(std::move(file)), callback(std::move(call)), options(how) {
    if (options.use_inotify) watch.emplace(path);
  }

  void let_run() {
    may_run.test_and_set();
    may_run.notify_one();
  }
  void place_watch();
  [[nodiscard]] bool polls() const { return !watch || !watch->shortfall().empty(); }
  [[nodiscard]] int timeout() const;
  void run();
  void attempt(bool is_last);
  void failed(const Error& error, bool may_pass);
  void report(Result<LoadReport> result);
};

void FileSource::Impl::place_watch() {
  if (watch) watch->place();
  polled = fingerprint(path);
  std::string now = "inotify";
  if (polls()) {
    now = fmt::format("polling every {} ms ({})", options.poll_interval.count(),
                      watch ? watch->shortfall() : "inotify is switched off");
  }
  const std::scoped_lock hold(mechanism_lock);
  mechanism = std::move(now);
}

// Milliseconds that poll(2) may wait: until the file counts as quiet, or until the next look, or for ever.
int FileSource::Impl::timeout() const {
  auto wait = std::chrono::milliseconds::max();
  if (polls()) wait = options.poll_interval;
  if (retry_at) wait = std::min(wait, std::chrono::ceil<std::chrono::milliseconds>(*retry_at - Clock::now()));
  if (noticed) wait = std::min(wait, std::chrono::ceil<std::chrono::milliseconds>(quiet_at - Clock::now()));
  if (wait == std::chrono::milliseconds::max()) return -1;
  return static_cast<int>(std::max<std::chrono::milliseconds::rep>(wait.count(), 0));
}

void FileSource::Impl::run() {
  using Seen = PathWatch::Seen;
  for (;;) {
    std::array<pollfd, 2> waits{pollfd{stop.get(), POLLIN, 0}, pollfd{watch ? watch->fd() : -1, POLLIN, 0}};
    ::poll(waits.data(), waits.size(), timeout());
    if ((waits[0].revents & POLLIN) != 0) return;

    Seen seen = (waits[1].revents & POLLIN) != 0 ? watch->drain() : Seen::Nothing;
    if (seen == Seen::Nothing && polls() && fingerprint(path) != polled) seen = Seen::Changed;
    if (seen != Seen::Nothing) {
      const auto now = Clock::now();
      if (!noticed) noticed = now;
      quiet_at = now + options.quiet;
    }
    try {
      if (seen == Seen::Changed) attempt(false);
      if (noticed && Clock::now() >= quiet_at) attempt(true);
      if (retry_at && Clock::now() >= *retry_at) {
        if (!noticed) noticed = Clock::now();
        attempt(true);
      }
    } catch (const std::bad_alloc&) {  // not told: that takes memory, too
      last_text.reset();
      noticed.reset();
      retry_at = Clock::now() + options.poll_interval;
    }
  }
}

// Loads the file if it has changed. A failure counts only if `is_last`, when the file has been quiet; else it is tried
// again.
void FileSource::Impl::attempt(bool is_last) {
  retry_at.reset();
  place_watch();
  int problem = 0;
  Result<std::string> text = read_text(path, true, problem);
  if (!text) {
    if (is_last) failed(text.error(), may_pass_by_itself(problem));
    return;
  }
  if (last_text == *text) {
    last_failure.clear();
    noticed.reset();
    return;
  }
  Result<LoadReport> result = set.load_json(*text, path);
  if (!result && result.error().code() == ErrorCode::BadFlags && !is_last) return;
  // Nothing is wrong with the file: memory ran out, say. After SerialisationFailed it is in force.
  if (!result && result.error().code() != ErrorCode::BadFlags &&
      result.error().code() != ErrorCode::SerialisationFailed)
    return failed(result.error(), true);
  last_failure.clear();
  last_text = std::move(*text);
  report(std::move(result));
}

// The version that failed is not lost: the next event, or the next attempt, takes it for a new one. Reported once.
void FileSource::Impl::failed(const Error& error, bool may_pass) {
  last_text.reset();
  if (may_pass) retry_at = Clock::now() + options.poll_interval;
  if (std::exchange(last_failure, error.message()) == error.message()) {
    noticed.reset();
  } else {
    report(error);
  }
}

void FileSource::Impl::report(Result<LoadReport> result) {
  const auto latency = Clock::now() - *noticed;
  noticed.reset();
  if (callback) {
    callback(Reload{std::move(result), static_cast<std::uint64_t>(std::chrono::nanoseconds(latency).count())});
  }
}

FileSource::FileSource(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<FileSource>> FileSource::start(FlagSet& set, std::string path, Callback callback,
                                                      const FileSourceOptions& options) {
  auto impl = std::make_unique<Impl>(set, std::move(path), std::move(callback), options);
  if (impl->stop.get() < 0) return make_error(ErrorCode::SystemCall, fmt::format("eventfd: {}", std::strerror(errno)));
  impl->place_watch();  // before the file is read, so that no version falls between
  int problem = 0;
  Result<std::string> text = read_text(impl->path, true, problem);
  if (!text) return text.error();

  // The thread before the flags: without it nothing is loaded. It waits for them, or for the source's end.
  Impl& self = *impl;
  std::unique_ptr<FileSource> source(new FileSource(std::move(impl)));
  Result<std::thread> thread = quiet_thread("the flag file's watch", [&self] {
    self.may_run.wait(false);
    self.run();
  });
  if (!thread) return thread.error();
  self.thread = std::move(*thread);
  Result<LoadReport> loaded = set.load_json(*text, self.path);
  if (!loaded) return loaded.error();
  self.first_load = std::move(*loaded);
  self.last_text = std::move(*text);
  self.let_run();
  return source;
}

FileSource::~FileSource() {
  if (!impl_->thread.joinable()) return;
  ::eventfd_write(impl_->stop.get(), 1);
  impl_->let_run();
  impl_->thread.join();
}

const LoadReport& FileSource::first_load() const noexcept {
  return impl_->first_load;
}

std::string FileSource::mechanism() const {
  const std::scoped_lock hold(impl_->mechanism_lock);
  return impl_->mechanism;
}

}  // namespace shunt::flags
