#include "runtime/cli/module_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>

#include "shunt/runtime/module_file.h"

namespace shunt::cli {
namespace {

bool looks_like_text(std::string_view bytes) {
  const std::size_t first = bytes.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return false;
  const std::string_view rest = bytes.substr(first);
  return rest.starts_with("(module") || rest.starts_with("(;") || rest.starts_with(";;");
}

// What a file is that is not a module, for the message.
std::string what_instead(std::string_view bytes) {
  struct Known {
    std::string_view begin, what;
  };
  constexpr std::array known = {
      Known{"\x7f"
            "ELF",
            "it is a program or an object for a machine; compile it with clang --target=wasm32-wasi"},
      Known{"!<arch>", "it is an archive of object files; link it first"},
      Known{"#!", "it is a script"},
      Known{"BC\xc0\xde", "it is LLVM bitcode; link it first"},
  };
  if (bytes.empty()) return "it is empty";
  for (const Known& one : known) {
    if (bytes.starts_with(one.begin)) return std::string(one.what);
  }
  std::string begin;
  for (const char c : bytes.substr(0, 4)) begin += fmt::format("{:02x} ", static_cast<unsigned char>(c));
  return fmt::format("it begins with {}where a module has 00 61 73 6d, and its text (module", begin);
}

Status check_format(std::string_view bytes, const std::string& path) {
  constexpr std::string_view magic("\0asm", 4), component_version("\x0d\0\x01\0", 4);
  if (!bytes.starts_with(magic)) {
    return make_error(ErrorCode::BadModule, fmt::format("{}: not a WebAssembly module: {}", path, what_instead(bytes)));
  }
  if (bytes.substr(magic.size()).starts_with(component_version)) {
    return make_error(ErrorCode::BadModule,
                      fmt::format("{}: it is a component; only core modules can be loaded", path));
  }
  return Ok{};
}

}  // namespace

Result<ModuleFile> read_module(const std::string& path) {
  const auto begin = std::chrono::steady_clock::now();
  Result<std::vector<std::uint8_t>> bytes = runtime::read_module_file(path);
  if (!bytes && bytes.error().code() == ErrorCode::SystemCall) {
    return make_error(ErrorCode::InvalidArgument, bytes.error().message());
  }
  if (!bytes) return bytes.error();
  const std::string_view view(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  if (looks_like_text(view)) {
    bytes = runtime::assemble(view, path);
    if (!bytes) return bytes.error();
  } else if (Status format = check_format(view, path); !format) {
    return format.error();
  }
  const auto time = std::chrono::steady_clock::now() - begin;
  return ModuleFile{std::move(*bytes), static_cast<std::uint64_t>(std::chrono::nanoseconds(time).count())};
}

}  // namespace shunt::cli
