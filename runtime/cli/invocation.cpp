#include "runtime/cli/invocation.h"

#include <string_view>

#include "runtime/cli/values.h"

namespace shunt::cli {

Invocation split_command_line(int argc, const char* const* argv) {
  constexpr std::string_view invoke = "--invoke", invoke_equals = "--invoke=";
  Invocation out;
  bool in_arguments = false;  // behind the EXPORT of an --invoke
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--") {
      out.has_guest_arguments = true;
      out.guest_arguments.assign(argv + i + 1, argv + argc);
      break;
    }
    if (word == invoke || word.starts_with(invoke_equals)) {
      out.arguments.clear();
      in_arguments = true;
      if (word != invoke) {
        out.invoke = word.substr(invoke_equals.size());
      } else if (i + 1 < argc && std::string_view(argv[i + 1]) != "--") {
        out.invoke = argv[++i];
      } else {
        out.invoke = "";
      }
    } else if (in_arguments && (!word.starts_with("-") || is_negative_number(word))) {
      out.arguments.emplace_back(word);
    } else {
      in_arguments = false;
      out.options.emplace_back(word);
    }
  }
  return out;
}

}  // namespace shunt::cli
