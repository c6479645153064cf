#include <algorithm>
#include <new>
#include <stdexcept>

#include "runtime/wasm/module/function_body.h"
#include "runtime/wasm/module/module_reader.h"
#include "runtime/wasm/module/name_section.h"

namespace shunt::wasm {
namespace {

void name_functions(ModuleData& module, std::span<const std::uint8_t> name_payload) {
  std::vector<std::string>& names = module.function_names;
  names = read_function_names(name_payload, module.functions.size());
  for (const ExportRecord& record : module.exports) {
    if (record.kind != ExternKind::Function) continue;
    if (names.size() <= record.index) names.resize(std::size_t{record.index} + 1);
    if (names[record.index].empty()) names[record.index] = record.name;
  }
}

// Without what is beyond the defaults where those are the most.
runtime::ModuleLimits possible_limits(runtime::ModuleLimits limits) {
  const runtime::ModuleLimits most;
  limits.module_bytes = std::min(limits.module_bytes, most.module_bytes);
  using Field = std::uint32_t runtime::ModuleLimits::*;
  using L = runtime::ModuleLimits;
  constexpr Field fields[] = {&L::types,
                              &L::functions,
                              &L::tables,
                              &L::segment_elements,
                              &L::element_segments,
                              &L::data_segments,
                              &L::parameters,
                              &L::results,
                              &L::locals,
                              &L::body_bytes,
                              &L::br_table_targets,
                              &L::name_bytes,
                              &L::operands,
                              &L::open_blocks,
                              &L::open_block_types};
  for (const Field field : fields) limits.*field = std::min(limits.*field, most.*field);
  return limits;
}

Result<std::unique_ptr<ModuleData>> read(std::span<const std::uint8_t> bytes, std::string_view source_name,
                                         FunctionSink& sink, const runtime::ModuleLimits& limits) {
  auto module = std::make_unique<ModuleData>();
  module->source_name = source_name;
  module->limits = limits;
  module->module_bytes = bytes.size();
  ModuleReader reader(*module, sink);
  const wabt::ReadBinaryOptions options(supported_features(), /*log_stream=*/nullptr, /*read_debug_names=*/false,
                                        /*stop_on_first_error=*/true, /*fail_on_custom_section_error=*/false);
  const wabt::Result result = wabt::ReadBinary(bytes.data(), bytes.size(), &reader, options);
  if (wabt::Failed(result) || reader.failed()) return reader.failure();
  name_functions(*module, reader.name_payload());
  return module;
}

}  // namespace

Result<std::unique_ptr<ModuleData>> read_module(std::span<const std::uint8_t> bytes, std::string_view source_name,
                                                FunctionSink& sink, const runtime::ModuleLimits& limits) {
  const runtime::ModuleLimits possible = possible_limits(limits);
  if (bytes.size() > possible.module_bytes) {
    return make_error(ErrorCode::LimitExceeded, std::string(source_name) + ": " + std::to_string(bytes.size()) +
                                                    " bytes: at most " + std::to_string(possible.module_bytes) +
                                                    " are allowed (ModuleLimits::module_bytes)");
  }
  try {
    return read(bytes, source_name, sink, possible);
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::OutOfMemory, std::string(source_name) + ": not enough memory to read the module");
  } catch (const std::length_error&) {
    return make_error(ErrorCode::OutOfMemory, std::string(source_name) + ": not enough memory to read the module");
  }
}

}  // namespace shunt::wasm
