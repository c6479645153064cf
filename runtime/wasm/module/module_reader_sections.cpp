#include <cstdio>
#include <utility>

#include "runtime/wasm/module/module_reader.h"

namespace shunt::wasm {
namespace {

using wabt::Failed;
using wabt::Index;

constexpr std::uint8_t largest_data_segment_flags = 2;

runtime::Limits to_limits(const wabt::Limits& limits) {
  return {.min = limits.initial, .max = limits.has_max ? limits.max : 0, .has_max = limits.has_max};
}

SegmentMode element_mode(std::uint8_t flags) {
  if ((flags & wabt::SegPassive) == 0) return SegmentMode::Active;
  return (flags & wabt::SegExplicitIndex) != 0 ? SegmentMode::Declared : SegmentMode::Passive;
}

wabt::SegmentKind to_wabt(SegmentMode mode) {
  if (mode == SegmentMode::Active) return wabt::SegmentKind::Active;
  return mode == SegmentMode::Passive ? wabt::SegmentKind::Passive : wabt::SegmentKind::Declared;
}

constexpr std::pair<ValueType, wabt::Type::Enum> value_types[] = {
    {ValueType::I32, wabt::Type::I32},         {ValueType::I64, wabt::Type::I64},
    {ValueType::F32, wabt::Type::F32},         {ValueType::F64, wabt::Type::F64},
    {ValueType::FuncRef, wabt::Type::FuncRef}, {ValueType::ExternRef, wabt::Type::ExternRef}};

}  // namespace

wabt::Features supported_features() {
  wabt::Features features;
  features.enable_mutable_globals();
  features.enable_sat_float_to_int();
  features.enable_sign_extension();
  features.enable_multi_value();
  features.enable_bulk_memory();
  features.enable_reference_types();
  features.disable_simd();
  features.disable_exceptions();
  features.disable_threads();
  features.disable_function_references();
  features.disable_tail_call();
  features.disable_annotations();
  features.disable_code_metadata();
  features.disable_gc();
  features.disable_memory64();
  features.disable_multi_memory();
  features.disable_extended_const();
  features.disable_relaxed_simd();
  return features;
}

ModuleReader::ModuleReader(ModuleData& module, FunctionSink& sink)
    : module_(module),
      sink_(sink),
      validator_(&errors_, wabt::ValidateOptions(supported_features())),
      bodies_(module, supported_features()) {}

Error ModuleReader::failure() const {
  if (sink_error_) return *sink_error_;
  char place[32];
  std::snprintf(place, sizeof place, ": byte 0x%04zx: ", failure_offset_);
  return make_error(failure_code_, module_.source_name + place + (failed_ ? failure_ : "malformed module"));
}

wabt::Result ModuleReader::fail(std::size_t offset, std::string what) {
  if (!failed_) {
    failed_ = true;
    failure_offset_ = offset;
    failure_ = std::move(what);
  }
  return wabt::Result::Error;
}

wabt::Result ModuleReader::limit(std::uint64_t count, std::uint64_t most, std::string_view what,
                                 std::string_view name) {
  if (count <= most) return wabt::Result::Ok;
  if (!failed_) failure_code_ = ErrorCode::LimitExceeded;
  return fail_here(std::to_string(count) + " " + std::string(what) + ": at most " + std::to_string(most) +
                   " are allowed (ModuleLimits::" + std::string(name) + ")");
}

wabt::Result ModuleReader::check(wabt::Result result, std::size_t offset) {
  if (!Failed(result)) return wabt::Result::Ok;
  if (errors_.empty()) return fail(offset, "type mismatch");
  return fail(errors_.front().loc.offset, errors_.front().message);
}

bool ModuleReader::OnError(const wabt::Error& error) {
  if (skipping_) {  // wabt's complaint about what BeginCustomSection returned
    skipping_ = false;
  } else {
    static_cast<void>(fail(error.loc.offset, error.message));
  }
  return true;
}

wabt::Result ModuleReader::convert(wabt::Type type, ValueType& out) {
  for (const auto& [own, foreign] : value_types) {
    if (type == foreign) {
      out = own;
      return wabt::Result::Ok;
    }
  }
  return fail_here("unsupported type " + type.GetName());
}

wabt::Result ModuleReader::EndModule() {
  if (Failed(begin_code())) return wabt::Result::Error;
  // wabt compares them only if there is a data section.
  if (data_count_ && *data_count_ != module_.data.size()) {
    return fail_here("data segment count is " + std::to_string(module_.data.size()) + ", the data count section says " +
                     std::to_string(*data_count_));
  }
  return check_here(validator_.EndModule());
}

wabt::Result ModuleReader::BeginSection(Index, wabt::BinarySection, wabt::Offset size) {
  if (failed_) return wabt::Result::Error;  // a custom section's name was malformed: wabt itself would read on
  section_end_ = state->offset + size;
  return wabt::Result::Ok;
}

// wabt would parse what tools leave behind (relocations, symbols) and names, and refuse a module whose name section is
// not the last. An error from here makes it skip the section.
wabt::Result ModuleReader::BeginCustomSection(Index, wabt::Offset, std::string_view name) {
  if (name == "name" && state->offset <= section_end_) {
    name_payload_ = std::span(state->data + state->offset, section_end_ - state->offset);
  }
  skipping_ = true;
  return wabt::Result::Error;
}

wabt::Result ModuleReader::OnTypeCount(Index count) {
  if (Failed(limit(count, limits().types, "types", "types"))) return wabt::Result::Error;
  module_.types.reserve(at_most_left(count));
  return wabt::Result::Ok;
}

wabt::Result ModuleReader::OnFuncType(Index index, Index param_count, wabt::Type* params, Index result_count,
                                      wabt::Type* results) {
  if (Failed(limit(param_count, limits().parameters, "parameters", "parameters")) ||
      Failed(limit(result_count, limits().results, "results", "results"))) {
    return wabt::Result::Error;
  }
  FunctionType& type = module_.types.emplace_back();
  type.params.resize(param_count);
  type.results.resize(result_count);
  for (Index i = 0; i < param_count; ++i) {
    if (Failed(convert(params[i], type.params[i]))) return wabt::Result::Error;
  }
  for (Index i = 0; i < result_count; ++i) {
    if (Failed(convert(results[i], type.results[i]))) return wabt::Result::Error;
  }
  return check_here(validator_.OnFuncType(here(), param_count, params, result_count, results, index));
}

wabt::Result ModuleReader::OnImportCount(Index count) {
  if (Failed(limit(count, limits().functions, "imports", "functions"))) return wabt::Result::Error;
  module_.imports.reserve(at_most_left(count));
  return wabt::Result::Ok;
}

wabt::Result ModuleReader::import_name(std::string_view module, std::string_view name) {
  if (Failed(limit(module.size(), limits().name_bytes, "bytes in a name", "name_bytes"))) return wabt::Result::Error;
  return limit(name.size(), limits().name_bytes, "bytes in a name", "name_bytes");
}

wabt::Result ModuleReader::OnImportFunc(Index, std::string_view module, std::string_view name, Index function,
                                        Index type) {
  if (Failed(import_name(module, name))) return wabt::Result::Error;
  if (Failed(check_here(validator_.OnFunction(here(), index_here(type))))) return wabt::Result::Error;
  module_.imports.push_back({ExternKind::Function, function});
  module_.functions.push_back({type, std::string(module), std::string(name)});
  ++module_.imported_functions;
  return wabt::Result::Ok;
}

wabt::Result ModuleReader::OnImportTable(Index, std::string_view module, std::string_view name, Index table,
                                         wabt::Type element, const wabt::Limits* limits) {
  if (Failed(import_name(module, name))) return wabt::Result::Error;
  module_.imports.push_back({ExternKind::Table, table});
  return add_table(element, *limits, ImportedExtern{std::string(module), std::string(name)});
}

wabt::Result ModuleReader::OnImportMemory(Index, std::string_view module, std::string_view name, Index memory,
                                          const wabt::Limits* limits) {
  if (Failed(import_name(module, name))) return wabt::Result::Error;
  module_.imports.push_back({ExternKind::Memory, memory});
  return add_memory(*limits, ImportedExtern{std::string(module), std::string(name)});
}

wabt::Result ModuleReader::OnImportGlobal(Index, std::string_view module, std::string_view name, Index global,
                                          wabt::Type type, bool is_mutable) {
  if (Failed(import_name(module, name))) return wabt::Result::Error;
  GlobalInfo info{.type = {.is_mutable = is_mutable}, .import = ImportedExtern{std::string(module), std::string(name)}};
  if (Failed(convert(type, info.type.type))) return wabt::Result::Error;
  module_.imports.push_back({ExternKind::Global, global});
  module_.globals.push_back(std::move(info));
  ++module_.imported_globals;
  return check_here(validator_.OnGlobalImport(here(), type, is_mutable));
}

wabt::Result ModuleReader::OnFunctionCount(Index count) {
  const std::size_t all = std::size_t{count} + module_.functions.size();
  if (Failed(limit(all, limits().functions, "functions", "functions"))) return wabt::Result::Error;
  module_.functions.reserve(module_.functions.size() + at_most_left(count));
  return wabt::Result::Ok;
}

wabt::Result ModuleReader::OnFunction(Index, Index type) {
  module_.functions.push_back({.type = type});
  return check_here(validator_.OnFunction(here(), index_here(type)));
}

wabt::Result ModuleReader::OnTableCount(Index count) {
  return limit(std::size_t{count} + module_.tables.size(), limits().tables, "tables", "tables");
}

wabt::Result ModuleReader::OnTable(Index, wabt::Type element, const wabt::Limits* limits) {
  return add_table(element, *limits, std::nullopt);
}

wabt::Result ModuleReader::add_table(wabt::Type element, const wabt::Limits& limits,
                                     std::optional<ImportedExtern> import) {
  if (Failed(limit(limits.initial, module_.limits.table_elements, "elements of a table", "table_elements")))
    return wabt::Result::Error;
  TableInfo info{.type = {.limits = to_limits(limits)}, .import = std::move(import)};
  if (Failed(convert(element, info.type.element))) return wabt::Result::Error;
  module_.tables.push_back(std::move(info));
  return check_here(validator_.OnTable(here(), element, limits));
}

wabt::Result ModuleReader::OnMemory(Index, const wabt::Limits* limits) {
  return add_memory(*limits, std::nullopt);
}

wabt::Result ModuleReader::add_memory(const wabt::Limits& limits, std::optional<ImportedExtern> import) {
  if (Failed(check_here(validator_.OnMemory(here(), limits)))) return wabt::Result::Error;
  if (Failed(limit(limits.initial, module_.limits.memory_pages, "pages of a memory", "memory_pages")))
    return wabt::Result::Error;
  module_.memories.push_back({.type = {.limits = to_limits(limits)}, .import = std::move(import)});
  return wabt::Result::Ok;
}

wabt::Result ModuleReader::OnGlobalCount(Index count) {
  return limit(std::size_t{count} + module_.globals.size(), limits().functions, "globals", "functions");
}

wabt::Result ModuleReader::BeginGlobal(Index, wabt::Type type, bool is_mutable) {
  GlobalInfo& info = module_.globals.emplace_back();
  info.type.is_mutable = is_mutable;
  if (Failed(convert(type, info.type.type))) return wabt::Result::Error;
  return check_here(validator_.OnGlobal(here(), type, is_mutable));
}

wabt::Result ModuleReader::BeginGlobalInitExpr(Index) {
  return begin_init_expr(module_.globals.back().type.type);
}

wabt::Result ModuleReader::EndGlobalInitExpr(Index) {
  GlobalInfo& info = module_.globals.back();
  return end_init_expr(info.type.type, info.init);
}

wabt::Result ModuleReader::OnExportCount(Index count) {
  return limit(count, limits().functions, "exports", "functions");
}

wabt::Result ModuleReader::OnExport(Index, wabt::ExternalKind kind, Index item, std::string_view name) {
  if (Failed(limit(name.size(), limits().name_bytes, "bytes in a name", "name_bytes"))) return wabt::Result::Error;
  ExternKind own_kind{};
  switch (kind) {
    case wabt::ExternalKind::Func:
      own_kind = ExternKind::Function;
      break;
    case wabt::ExternalKind::Table:
      own_kind = ExternKind::Table;
      break;
    case wabt::ExternalKind::Memory:
      own_kind = ExternKind::Memory;
      break;
    case wabt::ExternalKind::Global:
      own_kind = ExternKind::Global;
      break;
    default:
      return fail_here("unsupported kind of export");
  }
  if (Failed(check_here(validator_.OnExport(here(), kind, index_here(item), name)))) return wabt::Result::Error;
  module_.exports.push_back({std::string(name), own_kind, item});
  return wabt::Result::Ok;
}

wabt::Result ModuleReader::OnStartFunction(Index function) {
  module_.start = function;
  return check_here(validator_.OnStart(here(), index_here(function)));
}

wabt::Result ModuleReader::OnElemSegmentCount(Index count) {
  return limit(count, limits().element_segments, "element segments", "element_segments");
}

wabt::Result ModuleReader::BeginElemSegment(Index, Index table, std::uint8_t flags) {
  ElementSegment& segment = module_.elements.emplace_back();
  segment.mode = element_mode(flags);
  segment.table = table;
  return check_here(validator_.OnElemSegment(here(), index_here(table), to_wabt(segment.mode)));
}

wabt::Result ModuleReader::BeginElemSegmentInitExpr(Index) {
  return begin_init_expr(ValueType::I32);
}

wabt::Result ModuleReader::EndElemSegmentInitExpr(Index) {
  return end_init_expr(ValueType::I32, module_.elements.back().offset);
}

wabt::Result ModuleReader::OnElemSegmentElemType(Index, wabt::Type type) {
  if (Failed(convert(type, module_.elements.back().type))) return wabt::Result::Error;
  return check_here(validator_.OnElemSegmentElemType(here(), type));
}

wabt::Result ModuleReader::OnElemSegmentElemExprCount(Index, Index count) {
  if (Failed(limit(count, limits().segment_elements, "elements in a segment", "segment_elements")))
    return wabt::Result::Error;
  module_.elements.back().items.reserve(at_most_left(count));
  return wabt::Result::Ok;
}

wabt::Result ModuleReader::OnElemSegmentElemExpr_RefNull(Index, wabt::Type type) {
  ConstExpr item{.kind = ConstExpr::Kind::RefNull};
  if (Failed(convert(type, item.type))) return wabt::Result::Error;
  module_.elements.back().items.push_back(item);
  return check_here(validator_.OnElemSegmentElemExpr_RefNull(here(), type));
}

wabt::Result ModuleReader::OnElemSegmentElemExpr_RefFunc(Index, Index function) {
  module_.elements.back().items.push_back({ConstExpr::Kind::RefFunc, ValueType::FuncRef, function});
  return check_here(validator_.OnElemSegmentElemExpr_RefFunc(here(), index_here(function)));
}

wabt::Result ModuleReader::OnDataCount(Index count) {
  if (Failed(limit(count, limits().data_segments, "data segments", "data_segments"))) return wabt::Result::Error;
  data_count_ = count;
  validator_.OnDataCount(count);
  bodies_.set_data_count(count);
  return wabt::Result::Ok;
}

wabt::Result ModuleReader::OnDataSegmentCount(Index count) {
  return limit(count, limits().data_segments, "data segments", "data_segments");
}

wabt::Result ModuleReader::BeginDataSegment(Index, Index memory, std::uint8_t flags) {
  if (flags > largest_data_segment_flags) return fail_here("invalid data segment flags: " + std::to_string(flags));
  DataSegment& segment = module_.data.emplace_back();
  segment.mode = (flags & wabt::SegPassive) != 0 ? SegmentMode::Passive : SegmentMode::Active;
  return check_here(validator_.OnDataSegment(here(), index_here(memory), to_wabt(segment.mode)));
}

wabt::Result ModuleReader::BeginDataSegmentInitExpr(Index) {
  return begin_init_expr(ValueType::I32);
}

wabt::Result ModuleReader::EndDataSegmentInitExpr(Index) {
  return end_init_expr(ValueType::I32, module_.data.back().offset);
}

wabt::Result ModuleReader::OnDataSegmentData(Index, const void* data, wabt::Address size) {
  const auto* const first = static_cast<const std::uint8_t*>(data);
  module_.data.back().bytes.assign(first, first + size);
  return wabt::Result::Ok;
}

wabt::Result ModuleReader::begin_init_expr(ValueType type) {
  in_init_expr_ = true;
  ended_ = false;
  ops_.clear();
  next_offset_ = static_cast<std::uint32_t>(state->offset);
  return check_here(validator_.BeginInitExpr(here(), to_wabt(type)));
}

// Validated, so it is exactly one constant operation and its `end`.
wabt::Result ModuleReader::end_init_expr(ValueType type, ConstExpr& out) {
  in_init_expr_ = false;
  if (!ended_) return fail_here("initializer expression without END opcode");
  if (Failed(check_here(validator_.EndInitExpr()))) return wabt::Result::Error;
  if (ops_.size() != 2) return fail_here("initializer expression is not one constant operation");
  const Op& op = ops_.front();
  switch (op.opcode) {
    case wabt::Opcode::GlobalGet:
      out = {ConstExpr::Kind::GlobalGet, type, op.a};
      return wabt::Result::Ok;
    case wabt::Opcode::RefFunc:
      out = {ConstExpr::Kind::RefFunc, type, op.a};
      return wabt::Result::Ok;
    case wabt::Opcode::RefNull:
      out = {ConstExpr::Kind::RefNull, type, 0};
      return wabt::Result::Ok;
    default:
      out = {ConstExpr::Kind::Const, type, op.imm};
      return wabt::Result::Ok;
  }
}

}  // namespace shunt::wasm
