#include "shunt/runtime/module_file.h"

#include <wabt/binary-writer.h>
#include <wabt/error-formatter.h>
#include <wabt/ir.h>
#include <wabt/stream.h>
#include <wabt/validator.h>
#include <wabt/wast-lexer.h>
#include <wabt/wast-parser.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "runtime/wasm/module/module_reader.h"

namespace shunt::runtime {
namespace {

using wabt::Failed;

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

Error cannot_read(const std::string& path) {
  return make_error(ErrorCode::SystemCall, "cannot read " + path + ": " + std::strerror(errno));
}

Result<std::vector<std::uint8_t>> read_file(const std::string& path) {
  const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path.c_str(), "rb"));
  if (!file) return cannot_read(path);
  constexpr std::size_t step = std::size_t{1} << 16;
  std::vector<std::uint8_t> bytes;
  std::size_t filled = 0;
  for (std::size_t got = step; got != 0; filled += got) {
    bytes.resize(filled + step);
    got = std::fread(bytes.data() + filled, 1, step, file.get());
  }
  if (std::ferror(file.get()) != 0) return cannot_read(path);
  bytes.resize(filled);
  return bytes;
}

bool ends_with_wat(std::string_view path) {
  return path.ends_with(".wat");
}

}  // namespace

Result<std::vector<std::uint8_t>> read_module_file(const std::string& path) {
  Result<std::vector<std::uint8_t>> bytes = read_file(path);
  if (!bytes || !ends_with_wat(path)) return bytes;
  return assemble({reinterpret_cast<const char*>(bytes->data()), bytes->size()}, path);
}

Result<std::vector<std::uint8_t>> assemble(std::string_view text, std::string_view source_name) {
  const wabt::Features features = wasm::supported_features();
  wabt::Errors errors;
  const auto fail = [&errors] {
    return make_error(ErrorCode::BadModule, wabt::FormatErrorsToString(errors, wabt::Location::Type::Text));
  };
  const std::unique_ptr<wabt::WastLexer> lexer =
      wabt::WastLexer::CreateBufferLexer(source_name, text.data(), text.size(), &errors);
  std::unique_ptr<wabt::Module> module;
  wabt::WastParseOptions parse_options(features);
  if (Failed(wabt::ParseWatModule(lexer.get(), &module, &errors, &parse_options))) return fail();
  if (Failed(wabt::ValidateModule(module.get(), &errors, wabt::ValidateOptions(features)))) return fail();
  wabt::MemoryStream stream;
  const wabt::WriteBinaryOptions write_options(features, /*canonicalize_lebs=*/true, /*relocatable=*/false,
                                               /*write_debug_names=*/true);
  if (Failed(wabt::WriteBinaryModule(&stream, module.get(), write_options))) return fail();
  return std::move(stream.output_buffer().data);
}

}  // namespace shunt::runtime
