// What the command tells on standard error while it works: errors, warnings, reloads. One line each, "shunt: ..." for
// people, or a JSON object for machines.
#pragma once

#include <string>
#include <string_view>

#include "shunt/error.h"
#include "shunt/runtime/flag_file.h"

namespace shunt::cli {

// Thread-safe: each line is written by one call.
class Messages {
 public:
  explicit Messages(bool json) : json_(json) {}

  // `where` goes before the message: "thread 3: ". Returns the exit status for it.
  int error(const Error& error, std::string_view where = {}) const;
  int error(const Error& error, int status, std::string_view where) const;
  void warning(std::string_view text) const;
  void tracing(const std::string& file, std::size_t functions) const;
  void reload(const std::string& file, const flags::Reload& reload) const;

 private:
  bool json_;
};

}  // namespace shunt::cli
