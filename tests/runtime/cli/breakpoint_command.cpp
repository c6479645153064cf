// `shunt run --break`: what is reported, and the questions on a terminal.
#include <nlohmann/json.hpp>
#include <sstream>

#include "command.h"

namespace shunt::cli {
namespace {

constexpr std::string_view summing = R"((module
  (func $sum (export "sum") (param $n i32) (result i32) (local $s i32) (local $f f64)
    (local.set $f (f64.const 0.5))
    (loop
      (local.set $s (i32.add (local.get $s) (local.get $n)))
      (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $s))))";

std::string lines_of(std::string text) {
  std::erase(text, '\r');
  return text;
}

// The program with a terminal as its standard input and error, on which `input` is typed: all of what the terminal
// shows.
std::string on_terminal(const Words& words, std::string_view input, int& status) {
  const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY);
  EXPECT_GE(terminal, 0);
  EXPECT_EQ(::grantpt(terminal), 0);
  EXPECT_EQ(::unlockpt(terminal), 0);
  const std::string name = ::ptsname(terminal);
  const int other_end = ::open(name.c_str(), O_RDWR | O_NOCTTY);  // before anything is typed
  EXPECT_EQ(::write(terminal, input.data(), input.size()), static_cast<ssize_t>(input.size()));
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, other_end, 0);
  posix_spawn_file_actions_adddup2(&files, other_end, 2);
  posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addclose(&files, terminal);
  Words all = program();
  all.insert(all.end(), words.begin(), words.end());
  std::vector<char*> argv;
  for (std::string& word : all) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t child = 0;
  EXPECT_EQ(::posix_spawn(&child, argv.front(), &files, nullptr, argv.data(), environ), 0);
  posix_spawn_file_actions_destroy(&files);
  ::close(other_end);
  std::string shown;
  char bytes[4096];
  for (ssize_t count = 0; (count = ::read(terminal, bytes, sizeof bytes)) > 0;) {
    shown.append(bytes, static_cast<std::size_t>(count));
  }
  ::close(terminal);
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  status = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  return lines_of(shown);
}

class BreakpointCommand : public CommandTest {
 protected:
  // As a report names it.
  [[nodiscard]] static std::string byte_in(const std::string& report) {
    const std::size_t at = report.find("at byte ") + 8;
    return report.substr(at, report.find(' ', at) - at);
  }
};

TEST_F(BreakpointCommand, ReportsTheGuestsValuesAndGoesOn) {
  const Ended ended = shunt({"run", file("m.wat", summing), "--break", "sum", "--invoke", "sum", "10"});
  EXPECT_EQ(ended.status, 0);
  EXPECT_EQ(ended.out, "55\n");
  EXPECT_EQ(ended.err, "shunt: breakpoint in function sum at byte " + byte_in(ended.err) + " of " + path("m.wat") +
                           "\n"
                           "  local 0      i32       10\n"
                           "  local 1      i32       0\n"
                           "  local 2      f64       0\n");
}

TEST_F(BreakpointCommand, StopsAtABytesOperationEachTime) {
  const Ended first = shunt({"run", file("m.wat", summing), "--break", "sum", "--invoke", "sum", "1"});
  // f64.const (9 bytes), local.set (2), loop (2), local.get (2), local.get (2)
  const unsigned long add = std::stoul(byte_in(first.err), nullptr, 16) + 17;
  const Ended ended =
      shunt({"run", path("m.wat"), "--break", ":" + std::to_string(add), "--json", "--invoke", "sum", "3"});
  EXPECT_EQ(ended.status, 0);
  std::istringstream lines(ended.err);
  std::vector<std::string> seen;
  for (std::string line; std::getline(lines, line);) {
    const nlohmann::json event = nlohmann::json::parse(line);
    EXPECT_EQ(event["event"], "breakpoint");
    EXPECT_EQ(event["function_name"], "sum");
    EXPECT_EQ(event["module_offset"], add);
    EXPECT_EQ(event["locals"][2]["value"], "0.5");
    seen.push_back(event["operands"].dump());
  }
  const std::vector<std::string> expected = {R"([{"type":"i32","value":"0"},{"type":"i32","value":"3"}])",
                                             R"([{"type":"i32","value":"3"},{"type":"i32","value":"2"}])",
                                             R"([{"type":"i32","value":"5"},{"type":"i32","value":"1"}])"};
  EXPECT_EQ(seen, expected);
}

TEST_F(BreakpointCommand, PlacesThatAreNoneAreWrongUsage) {
  const Ended nowhere = shunt({"run", file("m.wat", summing), "--break", "sun", "--invoke", "sum", "1"});
  EXPECT_EQ(nowhere.status, 2);
  EXPECT_NE(nowhere.err.find("no function 'sun' to set a breakpoint in"), std::string::npos) << nowhere.err;
  EXPECT_EQ(shunt({"run", path("m.wat"), "--break", "sum:", "--invoke", "sum", "1"}).status, 2);
}

TEST_F(BreakpointCommand, AsksOnATerminal) {
  int status = -1;
  const Words words = {"run", file("m.wat", summing), "--break", "sum", "--invoke", "sum", "3"};
  const auto count = [](const std::string& text, std::string_view part) {
    std::size_t found = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
    return found;
  };
  const std::string stepped = on_terminal(words, "s\nwhat\nstep\nc\n", status);
  EXPECT_EQ(status, 0) << stepped;
  EXPECT_EQ(count(stepped, "shunt: breakpoint in function sum"), 1U) << stepped;
  EXPECT_EQ(count(stepped, "shunt: step in function sum"), 2U) << stepped;
  EXPECT_EQ(count(stepped, "operand 0    f64       0.5\n"), 1U) << stepped;
  EXPECT_EQ(count(stepped, "'what' is none of them"), 1U) << stepped;
  const std::string quit = on_terminal(words, "q\n", status);
  EXPECT_EQ(status, 124) << quit;
  EXPECT_EQ(count(quit, "stopped at a breakpoint in function sum at byte "), 1U) << quit;
}

}  // namespace
}  // namespace shunt::cli
