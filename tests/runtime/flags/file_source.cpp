// A watched flag file: each way of replacing it is seen, at once; half-written files are waited for; the last good
// flags stay.
#include "shunt/runtime/flag_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>

#include "engine_with_sites.h"
#include "runtime/flags/path_watch.h"

namespace shunt::flags {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto patience = 20s;  // what a loaded machine may need; no test waits for it when all is well

std::string flags_with(int value) {
  return "{\"flags\": {\"n\": {\"state\": \"ENABLED\", \"variants\": {\"v\": " + std::to_string(value) +
         "}, \"defaultVariant\": \"v\"}}}\n";
}

void write_file(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::trunc) << text;
}

class FileSourceTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "shunt-flags-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
    path_ = directory_ / "flags.json";
  }
  void TearDown() override {
    source_.reset();
    fs::remove_all(directory_);
  }

  void start(const FileSourceOptions& options = {}) {
    auto started = FileSource::start(
        set_, path_.string(),
        [this](const Reload& reload) {
          const std::scoped_lock hold(lock_);
          reloads_.push_back(reload);
          arrived_.notify_all();
        },
        options);
    ASSERT_TRUE(started) << started.error().message();
    source_ = std::move(*started);
  }

  // The next reload; fails the test if none comes.
  std::string next() {
    std::unique_lock hold(lock_);
    if (!arrived_.wait_for(hold, patience, [&] { return !reloads_.empty(); })) return "(nothing)";
    const Reload reload = reloads_.front();
    reloads_.pop_front();
    if (!reload.result) return reload.result.error().message();
    return reload.result->changed.empty() ? "unchanged" : "changed to " + std::to_string(number());
  }
  // Waits until the number is in force; reloads on the way are passed over.
  bool becomes(int value) {
    const auto until = Clock::now() + patience;
    while (number() != value && Clock::now() < until) std::this_thread::sleep_for(1ms);
    const std::scoped_lock hold(lock_);
    reloads_.clear();
    return number() == value;
  }
  bool silent(std::chrono::milliseconds time = 200ms) {
    std::unique_lock hold(lock_);
    return !arrived_.wait_for(hold, time, [&] { return !reloads_.empty(); });
  }
  std::int64_t number() {
    const auto value = set_.value("n");
    return value ? std::get<std::int64_t>(*value) : -1;
  }
  void replace(int value) {  // as editors and deployment tools do
    write_file(directory_ / "new", flags_with(value));
    fs::rename(directory_ / "new", path_);
  }

  EngineWithSites host_;
  FlagSet set_{host_.engine()};
  fs::path directory_, path_;
  std::mutex lock_;  // protects reloads_
  std::condition_variable arrived_;
  std::deque<Reload> reloads_;
  std::unique_ptr<FileSource> source_;
};

TEST_F(FileSourceTest, LoadsFirst) {
  write_file(path_, flags_with(7));
  start();
  EXPECT_EQ(number(), 7);
  EXPECT_EQ(source_->first_load().changed, (std::vector<std::string>{"n"}));
  EXPECT_EQ(source_->mechanism(), "inotify");
  EXPECT_TRUE(silent());
}

TEST_F(FileSourceTest, RenameOverTheFile) {
  write_file(path_, flags_with(1));
  start();
  for (int i = 2; i < 30; ++i) {
    replace(i);
    ASSERT_EQ(next(), "changed to " + std::to_string(i));
  }
}

TEST_F(FileSourceTest, WritingInPlace) {
  write_file(path_, flags_with(1));
  start();
  for (int i = 2; i < 10; ++i) {
    write_file(path_, flags_with(i));
    ASSERT_EQ(next(), "changed to " + std::to_string(i));  // never an error about the truncated file
  }
}

TEST_F(FileSourceTest, ASlowWriterIsWaitedFor) {
  write_file(path_, flags_with(1));
  start({.quiet = 300ms});
  const std::string text = flags_with(2);
  const int fd = ::open(path_.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  for (const char c : text) {
    ASSERT_EQ(::write(fd, &c, 1), 1);
    std::this_thread::sleep_for(2ms);
  }
  EXPECT_EQ(next(), "changed to 2");  // though nobody has closed the file
  ::close(fd);
  EXPECT_TRUE(silent());
}

TEST_F(FileSourceTest, RemovedAndMadeAgain) {
  write_file(path_, flags_with(1));
  start({.quiet = 5s});
  fs::remove(path_);
  std::this_thread::sleep_for(50ms);  // long enough to be noticed, too short to be an error
  write_file(path_, flags_with(2));
  EXPECT_EQ(next(), "changed to 2");
}

TEST_F(FileSourceTest, AMissingFileIsOneErrorAndComesBack) {
  write_file(path_, flags_with(1));
  start();
  fs::remove(path_);
  EXPECT_EQ(next(),
            path_.string() +
                ": cannot open the flag file: No such file or directory: name a file that exists and can be read");
  EXPECT_EQ(number(), 1);
  write_file(directory_ / "other", "x");
  EXPECT_TRUE(silent());
  write_file(path_, flags_with(1));
  EXPECT_EQ(next(), "unchanged");
  write_file(path_, flags_with(2));
  EXPECT_EQ(next(), "changed to 2");
}

TEST_F(FileSourceTest, ABadVersionIsOneErrorAndTheLastGoodStays) {
  write_file(path_, flags_with(1));
  start();
  const auto begin = Clock::now();
  write_file(path_, "{\"flags\": {");
  EXPECT_TRUE(next().starts_with(path_.string() + ":1:12: not valid JSON"));
  EXPECT_GE(Clock::now() - begin, 50ms);  // it might have been half written
  EXPECT_EQ(number(), 1);
  EXPECT_TRUE(silent());
  write_file(path_, "{\"flags\": {");  // the same again
  EXPECT_TRUE(silent());
  write_file(path_, flags_with(2));
  EXPECT_EQ(next(), "changed to 2");
}

TEST_F(FileSourceTest, TouchingIsNoChange) {
  write_file(path_, flags_with(1));
  start();
  fs::last_write_time(path_, fs::file_time_type::clock::now());
  write_file(path_, flags_with(1));
  EXPECT_TRUE(silent());
}

// As Kubernetes mounts a ConfigMap: flags.json -> ..data/flags.json, ..data -> ..1/, and a rename swaps ..data.
TEST_F(FileSourceTest, SymbolicLinkSwappedOnTheWay) {
  const auto version = [&](int i) {
    const fs::path folder = directory_ / ("..v" + std::to_string(i));
    fs::create_directory(folder);
    write_file(folder / "flags.json", flags_with(i));
    fs::create_directory_symlink(folder.filename(), directory_ / "..data_tmp");
    fs::rename(directory_ / "..data_tmp", directory_ / "..data");
    fs::remove_all(directory_ / ("..v" + std::to_string(i - 1)));
  };
  version(1);
  fs::create_symlink("..data/flags.json", path_);
  start();
  for (int i = 2; i < 10; ++i) {
    version(i);
    ASSERT_TRUE(becomes(i));
  }
}

TEST_F(FileSourceTest, TheFileALinkLeadsToIsWatchedToo) {
  fs::create_directory(directory_ / "far");
  write_file(directory_ / "far/a.json", flags_with(1));
  fs::create_symlink("link", path_);
  fs::create_symlink(directory_ / "far/../far/a.json", directory_ / "link");
  start();
  write_file(directory_ / "far/a.json", flags_with(2));
  EXPECT_EQ(next(), "changed to 2");
  write_file(directory_ / "b.json", flags_with(3));
  fs::remove(directory_ / "link");
  fs::create_symlink("b.json", directory_ / "link");
  ASSERT_TRUE(becomes(3));
  write_file(directory_ / "b.json", flags_with(4));  // and where it leads now
  ASSERT_TRUE(becomes(4));
}

TEST_F(FileSourceTest, ADirectoryRenamedOnTheWay) {
  const fs::path config = directory_ / "config", other = directory_ / "other";
  fs::create_directory(config);
  fs::create_directory(other);
  path_ = config / "flags.json";
  write_file(path_, flags_with(1));
  write_file(other / "flags.json", flags_with(2));
  start({.quiet = 500ms});
  fs::rename(config, directory_ / "old");
  fs::rename(other, config);
  ASSERT_TRUE(becomes(2));
  write_file(path_, flags_with(3));
  ASSERT_TRUE(becomes(3));
}

TEST_F(FileSourceTest, ARelativePath) {
  const fs::path before = fs::current_path();
  fs::current_path(directory_);
  path_ = "flags.json";
  write_file(path_, flags_with(1));
  start();
  replace(2);
  EXPECT_EQ(next(), "changed to 2");
  source_.reset();
  fs::current_path(before);
}

TEST_F(FileSourceTest, PollingSeesChangesToo) {
  write_file(path_, flags_with(1));
  start({.poll_interval = 20ms, .use_inotify = false});
  EXPECT_EQ(source_->mechanism(), "polling every 20 ms (inotify is switched off)");
  replace(22);
  EXPECT_EQ(next(), "changed to 22");
  write_file(path_, "{");
  EXPECT_TRUE(next().find("not valid JSON") != std::string::npos);
  write_file(path_, flags_with(333));
  EXPECT_EQ(next(), "changed to 333");
}

TEST_F(FileSourceTest, StopsAtOnce) {
  write_file(path_, flags_with(1));
  start({.poll_interval = 3'600'000ms, .use_inotify = false});
  const auto begin = Clock::now();
  source_.reset();
  EXPECT_LT(Clock::now() - begin, 5s);
  write_file(path_, flags_with(2));
  EXPECT_TRUE(silent(50ms));
}

TEST_F(FileSourceTest, FailsToStartOnABadFile) {
  const auto refused = [&] {
    auto started = FileSource::start(set_, path_.string(), {});
    return started ? "(started)" : started.error().message();
  };
  EXPECT_EQ(refused(),
            path_.string() +
                ": cannot open the flag file: No such file or directory: name a file that exists and can be read");
  write_file(path_, "{}");
  EXPECT_TRUE(refused().find("has no 'flags'") != std::string::npos);
  fs::remove(path_);
  fs::create_directory(path_);
  EXPECT_EQ(refused(), path_.string() + ": cannot read the flag file: it is a directory: name a file in it");
  fs::remove(path_);
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_EQ(refused(),
            path_.string() + ": cannot watch the flag file: it is not a regular file: name one, or do not watch it");
}

TEST_F(FileSourceTest, OneLoadFromAPipe) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const std::string text = flags_with(5);
  ASSERT_EQ(::write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  ::close(ends[1]);
  Result<LoadReport> report = load_file(set_, "/dev/fd/" + std::to_string(ends[0]));
  ::close(ends[0]);
  ASSERT_TRUE(report) << report.error().message();
  EXPECT_EQ(number(), 5);
}

// Without inotify there is a reason to tell, and the caller polls.
TEST(PathWatch, SaysWhyInotifyIsMissing) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{0, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  PathWatch watch("/tmp/any");
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(watch.fd(), -1);
  EXPECT_EQ(watch.shortfall(), "inotify_init1: Too many open files");
  watch.place();  // does no harm
  EXPECT_EQ(watch.fd(), -1);
}

// A version that is read is in force when the callback runs, and how long that took is told.
TEST_F(FileSourceTest, ReportsLatency) {
  write_file(path_, flags_with(1));
  start();
  replace(2);
  std::unique_lock hold(lock_);
  ASSERT_TRUE(arrived_.wait_for(hold, patience, [&] { return !reloads_.empty(); }));
  EXPECT_GT(reloads_.front().latency_ns, 0U);
  EXPECT_GE(reloads_.front().latency_ns, reloads_.front().result->parse_ns);
}

}  // namespace
}  // namespace shunt::flags
