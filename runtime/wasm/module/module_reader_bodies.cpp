#include <utility>

#include "runtime/wasm/module/limits.h"
#include "runtime/wasm/module/module_reader.h"

namespace shunt::wasm {
namespace {

using wabt::Failed;
using wabt::Index;
using wabt::Opcode;
using wabt::Result;

// FunctionBody::block_types: no result, one result of each value type, then the module's types.
constexpr std::uint32_t first_module_type = 7;
constexpr ValueType single_results[first_module_type - 1] = {ValueType::I32, ValueType::I64,     ValueType::F32,
                                                             ValueType::F64, ValueType::FuncRef, ValueType::ExternRef};

// Precondition: wabt accepted `signature` as a block's.
std::uint32_t block_type_index(wabt::Type signature) {
  if (signature.IsIndex()) return first_module_type + signature.GetIndex();
  switch (signature) {
    case wabt::Type::I32:
      return 1;
    case wabt::Type::I64:
      return 2;
    case wabt::Type::F32:
      return 3;
    case wabt::Type::F64:
      return 4;
    case wabt::Type::FuncRef:
      return 5;
    case wabt::Type::ExternRef:
      return 6;
    default:
      return 0;
  }
}

}  // namespace

Result ModuleReader::begin_code() {
  if (code_begun_) return Result::Ok;
  code_begun_ = true;
  block_types_.resize(1);
  for (const ValueType type : single_results) block_types_.push_back({.params = {}, .results = {type}});
  block_types_.insert(block_types_.end(), module_.types.begin(), module_.types.end());
  Status status = sink_.begin_code(module_);
  if (status) return Result::Ok;
  sink_error_ = std::move(status).error();
  return Result::Error;
}

Result ModuleReader::BeginCodeSection(wabt::Offset size) {
  module_.code_section_bytes = size;
  return begin_code();
}

Result ModuleReader::BeginFunctionBody(Index function, wabt::Offset size) {
  if (Failed(limit(size, limits::body_bytes, "bytes in a function body"))) return Result::Error;
  const FunctionType& type = module_.type_of_function(function);
  body_ = {.function = function,
           .type = &type,
           .offset = static_cast<std::uint32_t>(state->offset),
           .size = static_cast<std::uint32_t>(size)};
  locals_.assign(type.params.begin(), type.params.end());
  ops_.clear();
  br_targets_.clear();
  block_sizes_.clear();
  open_block_types_ = 0;
  ended_ = false;
  return check_here(validator_.BeginFunctionBody(here(), function));
}

Result ModuleReader::OnLocalDeclCount(Index) {
  next_offset_ = static_cast<std::uint32_t>(state->offset);
  return Result::Ok;
}

Result ModuleReader::OnLocalDecl(Index, Index count, wabt::Type type) {
  next_offset_ = static_cast<std::uint32_t>(state->offset);
  if (Failed(limit(locals_.size() + count, limits::locals, "locals"))) return Result::Error;
  ValueType own{};
  if (Failed(convert(type, own))) return Result::Error;
  locals_.insert(locals_.end(), count, own);
  return check_here(validator_.OnLocalDecl(here(), count, type));
}

Result ModuleReader::EndFunctionBody(Index) {
  if (!ended_) return fail_here("function body must end with END opcode");
  if (Failed(check_here(validator_.EndFunctionBody(at_op())))) return Result::Error;
  body_.locals = locals_;
  body_.ops = ops_;
  body_.block_types = block_types_;
  body_.br_targets = br_targets_;
  Status status = sink_.function(body_);
  if (status) return Result::Ok;
  sink_error_ = std::move(status).error();
  return Result::Error;
}

Result ModuleReader::OnOpcode(Opcode opcode) {
  if (ended_) return fail(next_offset_, "operation after the last END opcode");
  op_offset_ = next_offset_;
  opcode_ = opcode;
  if (validator_.type_stack_size() > limits::operands)
    return limit(validator_.type_stack_size(), limits::operands, "operands");
  return Result::Ok;
}

Result ModuleReader::emit(Result validated, std::uint64_t imm) {
  if (Failed(validated)) return check(validated, op_offset_);
  next_offset_ = static_cast<std::uint32_t>(state->offset);
  Op& op = ops_.emplace_back();
  op.opcode = opcode_;
  op.offset = op_offset_;
  op.imm = imm;
  return Result::Ok;
}

Result ModuleReader::emit(Result validated, std::uint32_t a, std::uint32_t b) {
  if (Failed(emit(validated))) return Result::Error;
  ops_.back().a = a;
  ops_.back().b = b;
  return Result::Ok;
}

Result ModuleReader::enter_block(Result validated, wabt::Type signature) {
  const std::uint32_t type = block_type_index(signature);
  if (Failed(emit(validated, type, 0))) return Result::Error;
  const std::size_t size = block_types_[type].params.size() + block_types_[type].results.size();
  block_sizes_.push_back(static_cast<std::uint32_t>(size));
  open_block_types_ += size;
  if (Failed(limit(block_sizes_.size(), limits::open_blocks, "nested blocks"))) return Result::Error;
  return limit(open_block_types_, limits::open_block_types, "types of nested blocks");
}

Result ModuleReader::OnBlockExpr(wabt::Type signature) {
  return enter_block(validator_.OnBlock(at_op(), signature), signature);
}
Result ModuleReader::OnLoopExpr(wabt::Type signature) {
  return enter_block(validator_.OnLoop(at_op(), signature), signature);
}
Result ModuleReader::OnIfExpr(wabt::Type signature) {
  return enter_block(validator_.OnIf(at_op(), signature), signature);
}
Result ModuleReader::OnElseExpr() {
  return emit(validator_.OnElse(at_op()));
}

// A body's own `end` is validated by EndFunctionBody, a constant expression's by EndInitExpr.
Result ModuleReader::OnEndExpr() {
  if (in_init_expr_ || block_sizes_.empty()) {
    ended_ = true;
    return emit(Result::Ok);
  }
  open_block_types_ -= block_sizes_.back();
  block_sizes_.pop_back();
  return emit(validator_.OnEnd(at_op()));
}

Result ModuleReader::OnBrExpr(Index depth) {
  return emit(validator_.OnBr(at_op(), index(depth)), depth, 0);
}
Result ModuleReader::OnBrIfExpr(Index depth) {
  return emit(validator_.OnBrIf(at_op(), index(depth)), depth, 0);
}

Result ModuleReader::OnBrTableExpr(Index count, Index* depths, Index default_depth) {
  if (Failed(limit(count, limits::br_table_targets, "targets of a br_table"))) return Result::Error;
  const auto first = static_cast<std::uint32_t>(br_targets_.size());
  br_targets_.insert(br_targets_.end(), depths, depths + count);
  br_targets_.push_back(default_depth);
  Result valid = validator_.BeginBrTable(at_op());
  for (std::size_t i = first; i < br_targets_.size() && !Failed(valid); ++i) {
    valid = validator_.OnBrTableTarget(at_op(), index(br_targets_[i]));
  }
  if (!Failed(valid)) valid = validator_.EndBrTable(at_op());
  return emit(valid, first, count);
}

Result ModuleReader::OnReturnExpr() {
  return emit(validator_.OnReturn(at_op()));
}
Result ModuleReader::OnUnreachableExpr() {
  return emit(validator_.OnUnreachable(at_op()));
}
Result ModuleReader::OnNopExpr() {
  return emit(validator_.OnNop(at_op()));
}
Result ModuleReader::OnDropExpr() {
  return emit(validator_.OnDrop(at_op()));
}

// wabt's validator takes the result of a typed select for one of any type, so the result is put in its place here: a
// module must not use an i32 as an f64 behind it.
Result ModuleReader::OnSelectExpr(Index count, wabt::Type* types) {
  if (opcode_ == Opcode::Select) return emit(validator_.OnSelect(at_op(), 0, nullptr));
  if (count != 1) return fail(op_offset_, "invalid arity in select instruction: " + std::to_string(count) + ".");
  ValueType type{};
  if (Failed(convert(*types, type))) return Result::Error;
  Result valid = validator_.OnSelect(at_op(), 1, types);
  if (!Failed(valid)) valid = validator_.OnDrop(at_op());
  if (!Failed(valid)) valid = validator_.OnConst(at_op(), *types);
  return emit(valid, static_cast<std::uint32_t>(type), 0);
}

Result ModuleReader::OnCallExpr(Index function) {
  return emit(validator_.OnCall(at_op(), index(function)), function, 0);
}
// wabt's validator does not look at what the table holds; a host's word must never be called.
Result ModuleReader::OnCallIndirectExpr(Index type, Index table) {
  if (table < module_.tables.size() && module_.tables[table].type.element != ValueType::FuncRef) {
    return fail(op_offset_,
                "type mismatch in call_indirect: table " + std::to_string(table) + " does not hold funcref");
  }
  return emit(validator_.OnCallIndirect(at_op(), index(type), index(table)), type, table);
}

Result ModuleReader::OnLocalGetExpr(Index local) {
  return emit(validator_.OnLocalGet(at_op(), index(local)), local, 0);
}
Result ModuleReader::OnLocalSetExpr(Index local) {
  return emit(validator_.OnLocalSet(at_op(), index(local)), local, 0);
}
Result ModuleReader::OnLocalTeeExpr(Index local) {
  return emit(validator_.OnLocalTee(at_op(), index(local)), local, 0);
}
Result ModuleReader::OnGlobalGetExpr(Index global) {
  return emit(validator_.OnGlobalGet(at_op(), index(global)), global, 0);
}
Result ModuleReader::OnGlobalSetExpr(Index global) {
  return emit(validator_.OnGlobalSet(at_op(), index(global)), global, 0);
}

Result ModuleReader::OnI32ConstExpr(std::uint32_t value) {
  return emit(validator_.OnConst(at_op(), wabt::Type::I32), value);
}
Result ModuleReader::OnI64ConstExpr(std::uint64_t value) {
  return emit(validator_.OnConst(at_op(), wabt::Type::I64), value);
}
Result ModuleReader::OnF32ConstExpr(std::uint32_t bits) {
  return emit(validator_.OnConst(at_op(), wabt::Type::F32), bits);
}
Result ModuleReader::OnF64ConstExpr(std::uint64_t bits) {
  return emit(validator_.OnConst(at_op(), wabt::Type::F64), bits);
}

Result ModuleReader::OnUnaryExpr(Opcode opcode) {
  return emit(validator_.OnUnary(at_op(), opcode));
}
Result ModuleReader::OnBinaryExpr(Opcode opcode) {
  return emit(validator_.OnBinary(at_op(), opcode));
}
Result ModuleReader::OnCompareExpr(Opcode opcode) {
  return emit(validator_.OnCompare(at_op(), opcode));
}
Result ModuleReader::OnConvertExpr(Opcode opcode) {
  return emit(validator_.OnConvert(at_op(), opcode));
}

// The reader refuses alignments of 2^32 and more.
Result ModuleReader::OnLoadExpr(Opcode opcode, Index memory, wabt::Address align_log2, wabt::Address offset) {
  return emit(validator_.OnLoad(at_op(), opcode, index(memory), wabt::Address{1} << align_log2), offset);
}
Result ModuleReader::OnStoreExpr(Opcode opcode, Index memory, wabt::Address align_log2, wabt::Address offset) {
  return emit(validator_.OnStore(at_op(), opcode, index(memory), wabt::Address{1} << align_log2), offset);
}

Result ModuleReader::OnMemorySizeExpr(Index memory) {
  return emit(validator_.OnMemorySize(at_op(), index(memory)));
}
Result ModuleReader::OnMemoryGrowExpr(Index memory) {
  return emit(validator_.OnMemoryGrow(at_op(), index(memory)));
}
Result ModuleReader::OnMemoryFillExpr(Index memory) {
  return emit(validator_.OnMemoryFill(at_op(), index(memory)));
}
Result ModuleReader::OnMemoryCopyExpr(Index source, Index destination) {
  return emit(validator_.OnMemoryCopy(at_op(), index(source), index(destination)));
}
Result ModuleReader::OnMemoryInitExpr(Index segment, Index memory) {
  return emit(validator_.OnMemoryInit(at_op(), index(segment), index(memory)), segment, 0);
}
Result ModuleReader::OnDataDropExpr(Index segment) {
  return emit(validator_.OnDataDrop(at_op(), index(segment)), segment, 0);
}

Result ModuleReader::OnTableGetExpr(Index table) {
  return emit(validator_.OnTableGet(at_op(), index(table)), table, 0);
}
Result ModuleReader::OnTableSetExpr(Index table) {
  return emit(validator_.OnTableSet(at_op(), index(table)), table, 0);
}
Result ModuleReader::OnTableGrowExpr(Index table) {
  return emit(validator_.OnTableGrow(at_op(), index(table)), table, 0);
}
Result ModuleReader::OnTableSizeExpr(Index table) {
  return emit(validator_.OnTableSize(at_op(), index(table)), table, 0);
}
Result ModuleReader::OnTableFillExpr(Index table) {
  return emit(validator_.OnTableFill(at_op(), index(table)), table, 0);
}
Result ModuleReader::OnTableCopyExpr(Index destination, Index source) {
  return emit(validator_.OnTableCopy(at_op(), index(destination), index(source)), destination, source);
}
Result ModuleReader::OnTableInitExpr(Index segment, Index table) {
  return emit(validator_.OnTableInit(at_op(), index(segment), index(table)), segment, table);
}
Result ModuleReader::OnElemDropExpr(Index segment) {
  return emit(validator_.OnElemDrop(at_op(), index(segment)), segment, 0);
}

Result ModuleReader::OnRefFuncExpr(Index function) {
  return emit(validator_.OnRefFunc(at_op(), index(function)), function, 0);
}
Result ModuleReader::OnRefIsNullExpr() {
  return emit(validator_.OnRefIsNull(at_op()));
}
Result ModuleReader::OnRefNullExpr(wabt::Type type) {
  ValueType own{};
  if (Failed(convert(type, own))) return Result::Error;
  return emit(validator_.OnRefNull(at_op(), type), static_cast<std::uint32_t>(own), 0);
}

}  // namespace shunt::wasm
