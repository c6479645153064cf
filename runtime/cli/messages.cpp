#include "runtime/cli/messages.h"

#include <fmt/format.h>

#include <cstdio>

#include "runtime/cli/exit_status.h"
#include "runtime/cli/json_output.h"
#include "runtime/cli/text_output.h"

namespace shunt::cli {
namespace {

void write_line(std::string line) {
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace

int Messages::error(const Error& error, std::string_view where) const {
  return this->error(error, status_of(error.code()), where);
}

int Messages::error(const Error& error, int status, std::string_view where) const {
  write_line(json_ ? json_error(error, where, status) : text_error(error, where));
  return status;
}

void Messages::warning(std::string_view text) const {
  write_line(json_ ? json_warning(text) : fmt::format("shunt: warning: {}", text));
}

void Messages::tracing(const std::string& file, std::size_t functions) const {
  write_line(json_ ? json_tracing(file, functions) : text_tracing(file, functions));
}

void Messages::reload(const std::string& file, const flags::Reload& reload) const {
  write_line(json_ ? json_reload(file, reload) : text_reload(file, reload));
}

}  // namespace shunt::cli
