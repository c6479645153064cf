#include "tests/fuzz/differential/interpreter_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>
#include <utility>

#include "tests/fuzz/target.h"

namespace shunt::fuzz {
namespace {

constexpr int patience_ms = 10'000;
constexpr unsigned most_deaths = 5;

}  // namespace

void InterpreterProcess::start() {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) give_up("no socket pair");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  std::array<char*, 2> arguments = {program_.data(), nullptr};
  std::array<char*, 1> environment = {nullptr};
  const int failed = posix_spawn(&process_, program_.c_str(), &actions, nullptr, arguments.data(), environment.data());
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  socket_ = ends[0];
  if (failed != 0) give_up("cannot start " + program_);
}

void InterpreterProcess::stop() {
  if (process_ == 0) return;
  close(socket_);
  kill(process_, SIGKILL);
  waitpid(process_, nullptr, 0);
  process_ = 0;
}

std::optional<Words> InterpreterProcess::ask(const Request& request) {
  if (process_ == 0) start();
  std::optional<Words> answer;
  if (send(socket_, encode(request))) {
    pollfd ready{socket_, POLLIN, 0};
    if (poll(&ready, 1, patience_ms) == 1) answer = receive(socket_);
  }
  if (answer) {
    deaths_ = 0;
    return answer;
  }
  stop();
  if (++deaths_ == most_deaths) give_up("the interpreter died of several requests running");
  return std::nullopt;
}

}  // namespace shunt::fuzz
