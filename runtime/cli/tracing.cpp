#include "runtime/cli/tracing.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <utility>

#include "runtime/flags/path_watch.h"
#include "runtime/flags/quiet_thread.h"

namespace shunt::cli {

// --- the file of patterns ---

struct PatternFile::Impl {
  Impl(std::string file, Callback call) : path(std::move(file)), callback(std::move(call)), watch(path) {}
  ~Impl() {
    if (stop >= 0) ::close(stop);
  }

  [[nodiscard]] Result<std::string> read() const {
    std::ifstream file(path, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(file), {}};
    if (file.bad() || !file.is_open()) {
      return make_error(ErrorCode::InvalidArgument,
                        fmt::format("{}: cannot read the patterns: {}", path, std::strerror(errno)));
    }
    return text;
  }

  // A version that cannot be read is told once.
  void look() {
    watch.place();
    Result<std::string> text = read();
    std::string seen = text ? *text : text.error().message();
    if (last == seen) return;
    last = std::move(seen);
    callback(text ? Result<Patterns>(parse(*text)) : Result<Patterns>(text.error()));
  }

  void run() {
    constexpr int poll_interval_ms = 1000;  // where inotify cannot see every change
    for (;;) {
      std::array<pollfd, 2> waits{pollfd{stop, POLLIN, 0}, pollfd{watch.fd(), POLLIN, 0}};
      ::poll(waits.data(), waits.size(), watch.shortfall().empty() ? -1 : poll_interval_ms);
      if ((waits[0].revents & POLLIN) != 0) return;
      const bool polled = waits[1].revents == 0;
      if (polled || watch.drain() == flags::PathWatch::Seen::Changed) look();
    }
  }

  const std::string path;
  const Callback callback;
  const int stop = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  flags::PathWatch watch;
  std::optional<std::string> last;  // what was told of
  std::thread thread;
};

PatternFile::Patterns PatternFile::parse(std::string_view text) {
  constexpr std::string_view blank = " \t\r";
  Patterns patterns;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    const std::size_t begin = line.find_first_not_of(blank);
    if (begin == std::string::npos || line[begin] == '#') continue;
    patterns.push_back(line.substr(begin, line.find_last_not_of(blank) + 1 - begin));
  }
  return patterns;
}

PatternFile::PatternFile(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<PatternFile>> PatternFile::start(std::string path, Callback callback) {
  auto impl = std::make_unique<Impl>(std::move(path), std::move(callback));
  if (impl->stop < 0) return make_error(ErrorCode::SystemCall, fmt::format("eventfd: {}", std::strerror(errno)));
  impl->look();
  Result<std::thread> thread = flags::quiet_thread("the file of patterns", [self = impl.get()] { self->run(); });
  if (!thread) return thread.error();
  impl->thread = std::move(*thread);
  return std::unique_ptr<PatternFile>(new PatternFile(std::move(impl)));
}

PatternFile::~PatternFile() {
  ::eventfd_write(impl_->stop, 1);
  impl_->thread.join();
}

// --- the trace ---

Status RunTrace::trace(const std::vector<std::string>& more) {
  std::vector<std::string> patterns = options_.trace;
  patterns.insert(patterns.end(), more.begin(), more.end());
  const Result<std::size_t> functions = tracer_->trace(*module_, patterns);
  if (!functions) return functions.error();
  if (!options_.trace_from.empty()) messages_.tracing(options_.trace_from, *functions);
  return Ok{};
}

Status RunTrace::start(const runtime::Module& module) {
  module_ = &module;
  tracer_.emplace();
  if (options_.trace_from.empty()) {
    if (Status traced = trace({}); !traced) return traced;
    return write();  // now, so that a file that cannot be written is told at once
  }
  if (Status writable = write(); !writable) return writable;  // before the file's thread may
  Result<std::unique_ptr<PatternFile>> file = PatternFile::start(
      options_.trace_from, [this](const Result<std::vector<std::string>>& patterns) { changed(patterns); });
  if (!file) return std::move(file).error();
  file_ = std::move(*file);
  if (refused_) return *refused_;
  return Ok{};
}

// The first version is start()'s. If a later one is wrong, what is traced stays as it was; if not, what was traced
// before can be looked at.
void RunTrace::changed(const Result<std::vector<std::string>>& patterns) {
  Status status = patterns ? trace(*patterns) : Status(patterns.error());
  if (!std::exchange(has_begun_, true)) {
    if (!status) refused_ = std::move(status).error();
    return;
  }
  if (!status) return messages_.warning(status.error().message() + "; what is traced stays as it was");
  if (Status written = write(); !written) messages_.warning(written.error().message());
}

Status RunTrace::write() const {
  std::ofstream file(options_.trace_out, std::ios::binary | std::ios::trunc);
  if (!file) {
    return make_error(ErrorCode::InvalidArgument,
                      fmt::format("{}: the trace cannot be written: {}", options_.trace_out, std::strerror(errno)));
  }
  if (Status written = tracer_->write(file); !written) {
    return make_error(written.error().code(), fmt::format("{}: {}", options_.trace_out, written.error().message()));
  }
  return Ok{};
}

void RunTrace::finish() {
  if (!tracer_) return;
  file_.reset();
  if (Status written = write(); !written) messages_.warning(written.error().message());
  if (const std::uint64_t lost = tracer_->report().lost; lost != 0) {
    messages_.warning(fmt::format("{}: {} events had no room, and were left out", options_.trace_out, lost));
  }
}

}  // namespace shunt::cli
