// What the command reads: its own words, values, patterns, and requests to a running process. The first byte chooses.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "runtime/cli/options.h"
#include "runtime/cli/tracing.h"
#include "runtime/cli/values.h"
#include "runtime/flags/control/requests.h"
#include "runtime/wasm/tracing/function_patterns.h"
#include "shunt/engine.h"
#include "shunt/runtime/flag_control.h"
#include "shunt/runtime/flags.h"
#include "tests/fuzz/bytes.h"
#include "tests/fuzz/target.h"

namespace shunt::fuzz {
namespace {

constexpr std::string_view definitions = R"({"flags": {
    "on": {"state": "ENABLED", "variants": {"yes": true, "no": false}, "defaultVariant": "yes"},
    "n": {"state": "ENABLED", "variants": {"few": 3, "many": 1e9}, "defaultVariant": "few"},
    "who": {"state": "ENABLED", "variants": {"me": "me", "you": "you"}, "defaultVariant": "me",
            "targeting": {"if": [{"==": [{"var": "user"}, "u"]}, "you", null]}}}})";

// Help and complaints go nowhere meanwhile.
class Silence {
 public:
  Silence() : out_(dup(STDOUT_FILENO)), err_(dup(STDERR_FILENO)) {
    std::fflush(nullptr);
    static std::FILE* const nowhere = std::fopen("/dev/null", "w");
    dup2(fileno(nowhere), STDOUT_FILENO);
    dup2(fileno(nowhere), STDERR_FILENO);
  }
  ~Silence() {
    std::fflush(nullptr);
    dup2(out_, STDOUT_FILENO);
    dup2(err_, STDERR_FILENO);
    close(out_);
    close(err_);
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;

 private:
  int out_, err_;
};

void command_line(std::string_view text) {
  std::vector<std::string> words;
  for (const std::string_view word : split(text, '\n')) words.emplace_back(word.substr(0, word.find('\0')));
  std::vector<const char*> argv = {"shunt"};
  for (const std::string& word : words) argv.push_back(word.c_str());
  const Silence silence;
  const auto parsed = cli::parse_command_line(static_cast<int>(argv.size()), argv.data());
  if (const auto* ended = std::get_if<cli::Ended>(&parsed); ended != nullptr && ended->status > 2) std::abort();
}

void values(std::string_view text) {
  using runtime::ValueType;
  for (const ValueType type : {ValueType::I32, ValueType::I64, ValueType::F32, ValueType::F64, ValueType::FuncRef}) {
    const auto value = cli::parse_value(text, type);
    if (!value) {
      if (value.error().message().empty()) give_up("a value was refused without a message");
      continue;
    }
    const auto again = cli::parse_value(cli::format_value(*value), type);
    if (!again || again->bits != value->bits) give_up("a value that is shown reads as another");
  }
  static_cast<void>(cli::is_negative_number(text));
}

void patterns(std::string_view text) {
  const std::vector<std::string> lines = cli::PatternFile::parse(text);
  for (const std::string& line : lines) {
    if (line.empty()) give_up("an empty pattern");
    static_cast<void>(wasm::matches(line, text));
    if (!wasm::matches("*", line)) give_up("* stands for anything");
  }
}

struct Process {
  std::unique_ptr<Engine> engine;
  std::unique_ptr<flags::FlagSet> flags;
  std::string folder = "/tmp/fuzz_command.XXXXXX", socket;
  std::unique_ptr<flags::FlagControl> control;

  Process() {
    auto created = Engine::create({.code_reservation = std::size_t{1} << 20});
    if (!created) give_up(created.error().message());
    engine = std::move(*created);
    flags = std::make_unique<flags::FlagSet>(*engine);
    if (mkdtemp(folder.data()) == nullptr) give_up("no temporary folder");
    socket = folder + "/socket";
    auto started = flags::FlagControl::start(*flags, socket);
    if (!started) give_up(started.error().message());
    control = std::move(*started);
    std::atexit([] {
      Process& own = the();
      own.control.reset();
      rmdir(own.folder.c_str());
    });
  }
  static Process& the() {
    static Process* const process = new Process;
    return *process;
  }
  void reset() const {
    if (auto loaded = flags->load_json(definitions, "fuzz.json"); !loaded) give_up(loaded.error().message());
  }
};

void requests(std::string_view text) {
  Process& process = Process::the();
  process.reset();
  for (const std::string_view line : split(text, '\n')) {
    const flags::Answer answer = flags::answer(*process.flags, line);
    if (answer.line.find('\n') != std::string::npos) give_up("an answer of two lines");
    if (!nlohmann::json::parse(answer.line, nullptr, false).is_object()) give_up("an answer that is no JSON object");
  }
}

// The same over the socket. The last request gets its answer, whatever came before it.
void conversation(std::string_view text) {
  Process& process = Process::the();
  process.reset();
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, process.socket.c_str(), sizeof address.sun_path - 1);
  if (connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) give_up("nobody listens");
  const std::string all = std::string(text.substr(0, 8000)) + "\n{\"op\": \"get\", \"key\": \"the last one\"}\n";
  if (send(socket, all.data(), all.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(all.size())) give_up("not taken");
  std::string answers;
  while (answers.find("the last one") == std::string::npos) {
    char buffer[4096];
    const ssize_t got = recv(socket, buffer, sizeof buffer, 0);
    if (got <= 0) give_up("the connection ended before all was answered");
    answers.append(buffer, static_cast<std::size_t>(got));
  }
  close(socket);
}

}  // namespace
}  // namespace shunt::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace shunt::fuzz;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 5) {
    case 0:
      requests(text);
      break;
    case 1:
      command_line(text);
      break;
    case 2:
      values(text);
      break;
    case 3:
      patterns(text);
      break;
    default:
      conversation(text);
  }
  return 0;
}
