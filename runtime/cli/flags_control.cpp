#include <fmt/format.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

#include "runtime/cli/exit_status.h"
#include "runtime/cli/flags_command.h"
#include "runtime/cli/messages.h"
#include "runtime/flags/control/private_socket.h"

namespace shunt::cli {
namespace {

using Json = nlohmann::ordered_json;

// What is JSON is its value; anything else is text.
Json value_of(const std::string& word) {
  Json value = Json::parse(word, nullptr, false);
  return value.is_discarded() ? Json(word) : value;
}

Json request(const FlagsOptions& options) {
  switch (options.action) {
    case FlagsOptions::Action::Get:
      return {{"op", "get"}, {"key", options.key}};
    case FlagsOptions::Action::Set:
      return {{"op", "set"}, {"key", options.key}, {"value", value_of(options.value)}};
    case FlagsOptions::Action::Watch:
      return {{"op", "watch"}};
    default:
      return {{"op", "list"}};
  }
}

class Connection {
 public:
  explicit Connection(flags::OwnedDescriptor socket) : socket_(std::move(socket)) {}

  bool send(std::string text) {
    text += '\n';
    for (std::size_t sent = 0; sent < text.size();) {
      const ssize_t now = ::send(socket_.get(), text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (now < 0 && errno != EINTR) return false;
      if (now > 0) sent += static_cast<std::size_t>(now);
    }
    return true;
  }

  // Empty: the process has ended.
  std::optional<std::string> line() {
    for (;;) {
      if (const std::size_t end = in_.find('\n'); end != std::string::npos) {
        std::string out = in_.substr(0, end);
        in_.erase(0, end + 1);
        return out;
      }
      std::array<char, 16 * 1024> buffer;
      const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return {};
      in_.append(buffer.data(), static_cast<std::size_t>(got));
    }
  }

 private:
  flags::OwnedDescriptor socket_;
  std::string in_;
};

std::string text_of(const Json& flag) {
  const auto member = [&](const char* name) {
    return flag.contains(name) ? flag[name].dump(-1, ' ', false, Json::error_handler_t::replace) : std::string();
  };
  std::string out = flag.value("key", "");
  out += flag.contains("value") ? " = " + member("value") : ": no value";
  out += " (";
  if (flag.contains("variant")) out += "variant '" + flag.value("variant", "") + "', ";
  out += flag.value("reason", "");
  if (flag.contains("errorDetails")) out += ": " + flag.value("errorDetails", "");
  if (flag.value("targeting", "") == "agreed") out += "; targeted, all contexts in use agree";
  if (flag.value("targeting", "") == "differs") out += "; targeted, contexts in use differ";
  return out + ")";
}

void print(const FlagsOptions& options, const std::string& line, const Json& answer) {
  if (options.json) {
    fmt::print("{}\n", line);
  } else if (answer.contains("flags")) {
    for (const Json& flag : answer["flags"]) fmt::print("{}\n", text_of(flag));
  } else {
    fmt::print("{}\n", text_of(answer));
  }
  std::fflush(stdout);
}

}  // namespace

int control_flags(const FlagsOptions& options) {
  const Messages messages(options.json);
  Result<flags::OwnedDescriptor> socket = flags::connect_to_own(options.socket);
  if (!socket) return messages.error(socket.error());
  Connection connection(std::move(*socket));
  const bool watches = options.action == FlagsOptions::Action::Watch;
  const auto ended = [&] {
    return messages.error(make_error(ErrorCode::SystemCall, options.socket + ": the process has ended"));
  };
  if (!connection.send(request(options).dump(-1, ' ', false, Json::error_handler_t::replace))) return ended();
  for (bool is_first = true;; is_first = false) {
    const std::optional<std::string> line = connection.line();
    if (!line) return watches && !is_first ? exit_status::success : ended();
    const Json answer = Json::parse(*line, nullptr, false);
    if (!answer.is_object()) return ended();
    if (answer.contains("error")) {
      return messages.error(make_error(ErrorCode::BadFlags, answer.value("error", "")));
    }
    if (!watches || !is_first || options.json) print(options, *line, answer);
    if (watches && is_first && !options.json) fmt::print(stderr, "watching\n");
    if (!watches) return exit_status::success;
  }
}

}  // namespace shunt::cli
