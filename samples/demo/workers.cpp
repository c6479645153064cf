#include "workers.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <sstream>
#include <system_error>
#include <utility>

#include "shunt/runtime/instance.h"
#include "shunt/runtime/wasi.h"

namespace demo {
namespace {

class FileDescriptor {
 public:
  FileDescriptor() = default;
  FileDescriptor(const std::string& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {
    if (fd_ < 0) throw std::system_error(errno, std::generic_category(), path);
  }
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileDescriptor() { close(); }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_ = -1;
};

// "5xx 2623" and "route /api/cart 21216, 401 slow, ...": the first number behind the name.
Report parse_report(const std::string& text) {
  Report report;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name, second;
    std::uint64_t value = 0;
    words >> name;
    if (name == "route" && words >> second) name += " " + second;
    if (words >> value) report[name] = value;
  }
  return report;
}

// A pipe holds what a report is long (64 KiB), so the guest never waits for its reader.
std::string read_all(int fd) {
  std::string text;
  char block[4096];
  for (ssize_t got; (got = ::read(fd, block, sizeof block)) > 0;) text.append(block, static_cast<std::size_t>(got));
  return text;
}

}  // namespace

struct Workers::Worker {
  FileDescriptor log, trace;
  std::mutex mutex;  // protects `finished` together with the log's position: a pass ends, the next begins at 0
  std::uint64_t finished = 0;  // bytes of the passes that are over
  std::vector<Pass> passes;    // the thread's own until it is joined
  std::thread thread;
};

Workers::Workers(const shunt::runtime::Module& module, const std::string& log_path, const std::string& trace_path,
                 unsigned threads)
    : module_(module) {
  for (unsigned i = 0; i < threads; ++i) {
    auto worker = std::make_unique<Worker>();
    worker->log = FileDescriptor(log_path, O_RDONLY);
    worker->trace = FileDescriptor(trace_path, O_WRONLY | O_CREAT | O_APPEND);
    workers_.push_back(std::move(worker));
  }
  for (auto& worker : workers_) worker->thread = std::thread([this, &worker = *worker] { run(worker); });
}

Workers::~Workers() {
  stop();
}

// The guest reads the log as its standard input, so the position of that descriptor tells how far it is.
std::uint64_t Workers::bytes_read() const {
  std::uint64_t sum = 0;
  for (const auto& worker : workers_) {
    const std::lock_guard lock(worker->mutex);
    sum += worker->finished + static_cast<std::uint64_t>(::lseek(worker->log.get(), 0, SEEK_CUR));
  }
  return sum;
}

std::vector<Pass> Workers::stop() {
  stopping_.store(true, std::memory_order_relaxed);  // a request without data; joining orders the rest
  std::vector<Pass> passes;
  for (auto& worker : workers_) {
    if (worker->thread.joinable()) worker->thread.join();
    std::move(worker->passes.begin(), worker->passes.end(), std::back_inserter(passes));
    worker->passes.clear();
  }
  return passes;
}

void Workers::run(Worker& worker) {
  while (!stopping_.load(std::memory_order_relaxed)) {  // see stop()
    worker.passes.push_back(run_once(worker));
    if (!worker.passes.back().error.empty()) {
      failed_.store(true, std::memory_order_relaxed);  // see failed()
      return;
    }
    const std::lock_guard lock(worker.mutex);
    worker.finished += static_cast<std::uint64_t>(::lseek(worker.log.get(), 0, SEEK_CUR));
    ::lseek(worker.log.get(), 0, SEEK_SET);
  }
}

Pass Workers::run_once(Worker& worker) {
  Pass pass;
  pass.begin = Clock::now();
  const auto fail = [&pass](const shunt::Error& error) {
    pass.error = error.message();
    return pass;
  };
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail({shunt::ErrorCode::SystemCall, "pipe2"});
  const FileDescriptor reader(ends[0]);
  FileDescriptor writer(ends[1]);

  shunt::runtime::WasiOptions options;
  options.arguments = {"log_analyser"};
  options.stdin_fd = worker.log.get();
  options.stdout_fd = writer.get();
  options.stderr_fd = worker.trace.get();
  auto wasi = shunt::runtime::Wasi::create(std::move(options));
  if (!wasi) return fail(wasi.error());
  auto store = shunt::runtime::Store::create();
  if (!store) return fail(store.error());
  shunt::runtime::Linker linker(*store);
  wasi->add_to(linker);
  auto instance = linker.instantiate(module_);
  if (!instance) return fail(instance.error());
  auto outcome = instance->call("_start");
  if (!outcome && !(outcome.error().code() == shunt::ErrorCode::GuestExit && wasi->exit_status() == 0)) {
    return fail(outcome.error());
  }
  pass.end = Clock::now();
  writer.close();
  pass.report = parse_report(read_all(reader.get()));
  return pass;
}

}  // namespace demo
