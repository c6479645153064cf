// Runs the real program, for tests of what it prints and how it ends.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace shunt::cli {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

inline std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}
inline void write_file(const fs::path& path, std::string_view text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

// The program, behind the emulator if it takes one.
inline Words program() {
  return {SHUNT_COMMAND};
}

struct Ended {
  int status = -1;  // exit status; 1000 + signal if a signal ended it
  std::string out, err;
};

// One process. Ended by force with its object.
class Process {
 public:
  // Under an emulator, `runs_on` says that the guest stays in a loop whose code is rewritten: qemu-user 10 leaves such
  // a loop only if its blocks are not chained, which takes twice the time.
  Process(const fs::path& folder, const Words& words, std::string_view input, bool runs_on = true) {
    static int count = 0;
    const std::string name = std::to_string(count++);
    out_ = folder / (name + ".out");
    err_ = folder / (name + ".err");
    const fs::path in = folder / (name + ".in");
    write_file(in, input);

    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, in.c_str(), O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, out_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_addopen(&files, 2, err_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    const Words command = program();
    std::vector<char*> argv;
    for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
    for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    const bool unchained = runs_on && command.size() > 1;
    if (unchained) {
      ::setenv("QEMU_LOG", "nochain", 1);
      ::setenv("QEMU_LOG_FILENAME", "/dev/null", 1);
    }
    const int failed = ::posix_spawn(&pid_, argv.front(), &files, nullptr, argv.data(), environ);
    if (unchained) ::unsetenv("QEMU_LOG");
    posix_spawn_file_actions_destroy(&files);
    if (failed != 0) {
      ADD_FAILURE() << "cannot start " << argv.front();
      pid_ = 0;
    }
  }
  ~Process() {
    if (pid_ == 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] std::string out() const { return read_file(out_); }
  [[nodiscard]] std::string err() const { return read_file(err_); }

  // Waits until standard error (output) holds `text`; fails the test if it does not come, and at once if the program
  // has ended without.
  void wait_for_error_text(std::string_view text) {
    EXPECT_TRUE(comes([&] { return err().find(text) != std::string::npos; })) << "no '" << text << "' in: " << err();
  }
  void wait_for_output(std::string_view text) {
    EXPECT_TRUE(comes([&] { return out().find(text) != std::string::npos; }))
        << "no '" << text << "' in: " << out() << err();
  }

  // Waits until it ends; fails the test if it does not.
  Ended wait() {
    Ended ended;
    int status = 0;
    const bool over = pid_ != 0 && wait_until([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; });
    EXPECT_TRUE(over) << "still running: " << out() << err();
    if (over) {
      pid_ = 0;
      ended.status = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    }
    ended.out = out();
    ended.err = err();
    return ended;
  }

 private:
  [[nodiscard]] bool has_ended() const {
    siginfo_t info{};
    return pid_ == 0 ||
           (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid_);
  }
  template <class Condition>
  bool comes(Condition condition) const {
    bool holds = false;
    (void)wait_until([&] {
      const bool ended = has_ended();  // what it wrote before is there
      holds = condition();
      return holds || ended;
    });
    return holds;
  }
  template <class Condition>
  static bool wait_until(Condition condition) {
    using namespace std::chrono_literals;
    const auto until = std::chrono::steady_clock::now() + 60s;  // a loaded machine's patience; no test needs it
    while (!condition()) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::this_thread::sleep_for(2ms);
    }
    return true;
  }

  pid_t pid_ = 0;
  fs::path out_, err_;
};

class CommandTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "shunt-command-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  // The path of a file in the test's own folder.
  [[nodiscard]] std::string path(std::string_view name) const { return (folder_ / name).string(); }
  std::string file(std::string_view name, std::string_view text) const {
    write_file(folder_ / name, text);
    return path(name);
  }
  // As editors and deployment tools do it.
  void replace(std::string_view name, std::string_view text) const {
    write_file(folder_ / "new", text);
    fs::rename(folder_ / "new", folder_ / name);
  }

  Ended shunt(const Words& words, std::string_view input = {}) const {
    const bool runs_on = std::find(words.begin(), words.end(), "--timeout") != words.end();
    return Process(folder_, words, input, runs_on).wait();
  }

  fs::path folder_;
};

}  // namespace shunt::cli
