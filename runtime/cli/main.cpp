// The `shunt` command.
#include <cstdio>
#include <exception>

#include "runtime/cli/commands.h"
#include "runtime/cli/exit_status.h"
#include "runtime/cli/options.h"

namespace {

struct Dispatch {
  int operator()(const shunt::cli::RunOptions& options) const { return shunt::cli::run(options); }
  int operator()(const shunt::cli::CompileOptions& options) const { return shunt::cli::compile(options); }
  int operator()(const shunt::cli::SitesOptions& options) const { return shunt::cli::sites(options); }
  int operator()(const shunt::cli::InspectOptions& options) const { return shunt::cli::inspect(options); }
  int operator()(const shunt::cli::FlagsOptions& options) const { return shunt::cli::flags_command(options); }
};

// A report that could not be written is a failure, though not of the guest.
int finish(int status) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
  std::fprintf(stderr, "shunt: cannot write to standard output\n");
  return status == shunt::cli::exit_status::success ? shunt::cli::exit_status::failure : status;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const auto parsed = shunt::cli::parse_command_line(argc, argv);
    if (const auto* ended = std::get_if<shunt::cli::Ended>(&parsed)) return finish(ended->status);
    return finish(std::visit(Dispatch{}, std::get<shunt::cli::Command>(parsed)));
  } catch (const std::exception& exception) {
    // The library returns its errors: this is the standard library out of memory.
    std::fprintf(stderr, "shunt: %s\n", exception.what());
    return shunt::cli::exit_status::failure;
  }
}
