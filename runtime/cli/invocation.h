// Takes the guest's own words out of a command line, because an option parser would take `-1` or `-inf` for options:
//
//   shunt run guest.wasm --invoke EXPORT ARG... --flags f.json -- WORD...
//                        ^^^^^^^^^^^^^^^^^^^^^^                ^^^^^^^^^^
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace shunt::cli {

struct Invocation {
  std::vector<std::string> options;          // what is left for the option parser, without the program's name
  std::optional<std::string> invoke;         // the EXPORT of the last --invoke; empty string if it is missing
  std::vector<std::string> arguments;        // the words after EXPORT, up to the next option
  std::vector<std::string> guest_arguments;  // the words after `--`
  bool has_guest_arguments = false;          // whether there was a `--`
};

[[nodiscard]] Invocation split_command_line(int argc, const char* const* argv);

}  // namespace shunt::cli
