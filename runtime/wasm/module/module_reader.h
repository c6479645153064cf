// wabt's callbacks: each one is validated, then kept as ModuleData or as an operation of the function that is being
// read.
//
// The first failure ends the reading: its callback returns an error, and wabt calls nothing more.
#pragma once

#include <wabt/binary-reader-nop.h>
#include <wabt/shared-validator.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/wasm/module/body_validator.h"
#include "runtime/wasm/module/function_body.h"
#include "runtime/wasm/module/module_data.h"

namespace shunt::wasm {

// What this runtime accepts: WebAssembly 2.0 without vector operations.
wabt::Features supported_features();

class ModuleReader final : public wabt::BinaryReaderNop {
 public:
  ModuleReader(ModuleData& module, FunctionSink& sink);

  // After reading: whether it failed, which wabt's own result does not tell, and why.
  [[nodiscard]] bool failed() const { return failed_ || sink_error_; }
  [[nodiscard]] Error failure() const;

  // After reading: the payload of the custom section "name", empty if there is none.
  [[nodiscard]] std::span<const std::uint8_t> name_payload() const { return name_payload_; }

  bool OnError(const wabt::Error& error) override;

  // Sections (module_reader_sections.cpp).
  wabt::Result EndModule() override;
  wabt::Result BeginSection(wabt::Index index, wabt::BinarySection section, wabt::Offset size) override;
  wabt::Result BeginCustomSection(wabt::Index index, wabt::Offset size, std::string_view name) override;
  wabt::Result OnTypeCount(wabt::Index count) override;
  wabt::Result OnFuncType(wabt::Index index, wabt::Index param_count, wabt::Type* params, wabt::Index result_count,
                          wabt::Type* results) override;
  wabt::Result OnImportCount(wabt::Index count) override;
  wabt::Result OnImportFunc(wabt::Index import, std::string_view module, std::string_view name, wabt::Index function,
                            wabt::Index type) override;
  wabt::Result OnImportTable(wabt::Index import, std::string_view module, std::string_view name, wabt::Index table,
                             wabt::Type element, const wabt::Limits* limits) override;
  wabt::Result OnImportMemory(wabt::Index import, std::string_view module, std::string_view name, wabt::Index memory,
                              const wabt::Limits* limits) override;
  wabt::Result OnImportGlobal(wabt::Index import, std::string_view module, std::string_view name, wabt::Index global,
                              wabt::Type type, bool is_mutable) override;
  wabt::Result OnFunctionCount(wabt::Index count) override;
  wabt::Result OnFunction(wabt::Index index, wabt::Index type) override;
  wabt::Result OnTableCount(wabt::Index count) override;
  wabt::Result OnTable(wabt::Index index, wabt::Type element, const wabt::Limits* limits) override;
  wabt::Result OnMemory(wabt::Index index, const wabt::Limits* limits) override;
  wabt::Result OnGlobalCount(wabt::Index count) override;
  wabt::Result BeginGlobal(wabt::Index index, wabt::Type type, bool is_mutable) override;
  wabt::Result BeginGlobalInitExpr(wabt::Index index) override;
  wabt::Result EndGlobalInitExpr(wabt::Index index) override;
  wabt::Result OnExportCount(wabt::Index count) override;
  wabt::Result OnExport(wabt::Index index, wabt::ExternalKind kind, wabt::Index item, std::string_view name) override;
  wabt::Result OnStartFunction(wabt::Index function) override;
  wabt::Result OnElemSegmentCount(wabt::Index count) override;
  wabt::Result BeginElemSegment(wabt::Index index, wabt::Index table, std::uint8_t flags) override;
  wabt::Result BeginElemSegmentInitExpr(wabt::Index index) override;
  wabt::Result EndElemSegmentInitExpr(wabt::Index index) override;
  wabt::Result OnElemSegmentElemType(wabt::Index index, wabt::Type type) override;
  wabt::Result OnElemSegmentElemExprCount(wabt::Index index, wabt::Index count) override;
  wabt::Result OnElemSegmentElemExpr_RefNull(wabt::Index index, wabt::Type type) override;
  wabt::Result OnElemSegmentElemExpr_RefFunc(wabt::Index index, wabt::Index function) override;
  wabt::Result OnDataCount(wabt::Index count) override;
  wabt::Result OnDataSegmentCount(wabt::Index count) override;
  wabt::Result BeginDataSegment(wabt::Index index, wabt::Index memory, std::uint8_t flags) override;
  wabt::Result BeginDataSegmentInitExpr(wabt::Index index) override;
  wabt::Result EndDataSegmentInitExpr(wabt::Index index) override;
  wabt::Result OnDataSegmentData(wabt::Index index, const void* data, wabt::Address size) override;

  // Function bodies (module_reader_bodies.cpp).
  wabt::Result BeginCodeSection(wabt::Offset size) override;
  wabt::Result BeginFunctionBody(wabt::Index function, wabt::Offset size) override;
  wabt::Result OnLocalDeclCount(wabt::Index count) override;
  wabt::Result OnLocalDecl(wabt::Index index, wabt::Index count, wabt::Type type) override;
  wabt::Result EndFunctionBody(wabt::Index function) override;
  wabt::Result OnOpcode(wabt::Opcode opcode) override;

  wabt::Result OnBinaryExpr(wabt::Opcode opcode) override;
  wabt::Result OnBlockExpr(wabt::Type signature) override;
  wabt::Result OnBrExpr(wabt::Index depth) override;
  wabt::Result OnBrIfExpr(wabt::Index depth) override;
  wabt::Result OnBrTableExpr(wabt::Index count, wabt::Index* depths, wabt::Index default_depth) override;
  wabt::Result OnCallExpr(wabt::Index function) override;
  wabt::Result OnCallIndirectExpr(wabt::Index type, wabt::Index table) override;
  wabt::Result OnCompareExpr(wabt::Opcode opcode) override;
  wabt::Result OnConvertExpr(wabt::Opcode opcode) override;
  wabt::Result OnDropExpr() override;
  wabt::Result OnElseExpr() override;
  wabt::Result OnEndExpr() override;
  wabt::Result OnF32ConstExpr(std::uint32_t bits) override;
  wabt::Result OnF64ConstExpr(std::uint64_t bits) override;
  wabt::Result OnGlobalGetExpr(wabt::Index global) override;
  wabt::Result OnGlobalSetExpr(wabt::Index global) override;
  wabt::Result OnI32ConstExpr(std::uint32_t value) override;
  wabt::Result OnI64ConstExpr(std::uint64_t value) override;
  wabt::Result OnIfExpr(wabt::Type signature) override;
  wabt::Result OnLoadExpr(wabt::Opcode opcode, wabt::Index memory, wabt::Address align_log2,
                          wabt::Address offset) override;
  wabt::Result OnLocalGetExpr(wabt::Index local) override;
  wabt::Result OnLocalSetExpr(wabt::Index local) override;
  wabt::Result OnLocalTeeExpr(wabt::Index local) override;
  wabt::Result OnLoopExpr(wabt::Type signature) override;
  wabt::Result OnMemoryCopyExpr(wabt::Index source, wabt::Index destination) override;
  wabt::Result OnDataDropExpr(wabt::Index segment) override;
  wabt::Result OnMemoryFillExpr(wabt::Index memory) override;
  wabt::Result OnMemoryGrowExpr(wabt::Index memory) override;
  wabt::Result OnMemoryInitExpr(wabt::Index segment, wabt::Index memory) override;
  wabt::Result OnMemorySizeExpr(wabt::Index memory) override;
  wabt::Result OnTableCopyExpr(wabt::Index destination, wabt::Index source) override;
  wabt::Result OnElemDropExpr(wabt::Index segment) override;
  wabt::Result OnTableInitExpr(wabt::Index segment, wabt::Index table) override;
  wabt::Result OnTableGetExpr(wabt::Index table) override;
  wabt::Result OnTableSetExpr(wabt::Index table) override;
  wabt::Result OnTableGrowExpr(wabt::Index table) override;
  wabt::Result OnTableSizeExpr(wabt::Index table) override;
  wabt::Result OnTableFillExpr(wabt::Index table) override;
  wabt::Result OnRefFuncExpr(wabt::Index function) override;
  wabt::Result OnRefNullExpr(wabt::Type type) override;
  wabt::Result OnRefIsNullExpr() override;
  wabt::Result OnNopExpr() override;
  wabt::Result OnReturnExpr() override;
  wabt::Result OnSelectExpr(wabt::Index count, wabt::Type* types) override;
  wabt::Result OnStoreExpr(wabt::Opcode opcode, wabt::Index memory, wabt::Address align_log2,
                           wabt::Address offset) override;
  wabt::Result OnUnaryExpr(wabt::Opcode opcode) override;
  wabt::Result OnUnreachableExpr() override;

 private:
  // A failure at a byte of the module. The first one counts.
  wabt::Result fail(std::size_t offset, std::string what);
  wabt::Result fail_here(std::string what) { return fail(state->offset, std::move(what)); }
  // `name`: the limit's, in ModuleLimits.
  wabt::Result limit(std::uint64_t count, std::uint64_t most, std::string_view what, std::string_view name);
  [[nodiscard]] const runtime::ModuleLimits& limits() const { return module_.limits; }
  // Each of `count` things that are announced takes a byte at least: how many there can be.
  [[nodiscard]] std::size_t at_most_left(std::size_t count) const {
    return std::min(count, state->size - std::min(state->size, state->offset));
  }
  // Turns a validator's failure into ours.
  wabt::Result check(wabt::Result result, std::size_t offset);
  wabt::Result check_here(wabt::Result result) { return check(result, state->offset); }
  wabt::Result convert(wabt::Type type, ValueType& out);

  [[nodiscard]] wabt::Location here() const { return wabt::Location(state->offset); }
  [[nodiscard]] wabt::Var index_here(wabt::Index index) const { return wabt::Var(index, here()); }

  wabt::Result begin_init_expr(ValueType type);
  wabt::Result end_init_expr(ValueType type, ConstExpr& out);
  wabt::Result import_name(std::string_view module, std::string_view name);
  wabt::Result add_table(wabt::Type element, const wabt::Limits& limits, std::optional<ImportedExtern> import);
  wabt::Result add_memory(const wabt::Limits& limits, std::optional<ImportedExtern> import);
  wabt::Result begin_code();

  // The operation that was just decoded, if its validation succeeded.
  wabt::Result emit(wabt::Result validated, std::uint64_t imm = 0);
  wabt::Result emit(wabt::Result validated, std::uint32_t a, std::uint32_t b);
  wabt::Result check_constant(wabt::Opcode opcode);
  void note_table_write(wabt::Index table);
  // More of what ModuleLimits::values_passed counts.
  wabt::Result pass(std::uint64_t values);
  wabt::Result pass(const FunctionType& type) { return pass(type.params.size() + type.results.size()); }
  [[nodiscard]] std::uint64_t label_values(wabt::Index depth) const;
  [[nodiscard]] wabt::Location at_op() const { return wabt::Location(op_offset_); }
  wabt::Result emit_constant(wabt::Type type, std::uint64_t bits);
  wabt::Result enter_block(wabt::Result (BodyValidator::*validate)(std::uint32_t), wabt::Type signature);

  ModuleData& module_;
  FunctionSink& sink_;
  wabt::Errors errors_;
  wabt::SharedValidator validator_;  // of everything but bodies
  BodyValidator bodies_;
  std::optional<Error> sink_error_;
  bool failed_ = false;
  ErrorCode failure_code_ = ErrorCode::BadModule;
  std::size_t failure_offset_ = 0;
  std::string failure_;
  std::span<const std::uint8_t> name_payload_;
  wabt::Offset section_end_ = 0;
  bool skipping_ = false;  // a custom section
  bool code_begun_ = false;
  std::optional<wabt::Index> data_count_;

  // Of the body or constant expression that is being read.
  bool in_init_expr_ = false;
  bool ended_ = false;             // its last `end` has been read
  std::uint32_t op_offset_ = 0;    // where the current operation begins
  std::uint32_t next_offset_ = 0;  // where the one after it begins
  wabt::Opcode opcode_ = wabt::Opcode::Nop;
  FunctionBody body_;
  wabt::Index local_groups_ = 0;
  std::vector<ValueType> locals_;
  std::vector<Op> ops_;
  std::vector<FunctionType> block_types_;  // of the module: none, one result of each type, then its types
  std::vector<std::uint32_t> br_targets_;
  std::vector<std::uint32_t> block_sizes_;  // signature sizes of the open blocks
  std::size_t open_block_types_ = 0;        // their sum

  // Of the module.
  std::uint64_t all_locals_ = 0;
  std::uint64_t values_passed_ = 0;
};

}  // namespace shunt::wasm
