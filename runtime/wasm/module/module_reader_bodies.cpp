#include <utility>

#include "runtime/wasm/module/module_reader.h"

namespace shunt::wasm {
namespace {

using wabt::Failed;
using wabt::Index;
using wabt::Opcode;
using wabt::Result;

constexpr ValueType single_results[first_module_block_type - 1] = {
    ValueType::I32, ValueType::I64, ValueType::F32, ValueType::F64, ValueType::FuncRef, ValueType::ExternRef};

// Precondition: wabt accepted `signature` as a block's.
std::uint32_t block_type_index(wabt::Type signature) {
  if (signature.IsIndex()) return first_module_block_type + signature.GetIndex();
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
  bodies_.begin_code();
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
  if (Failed(limit(size, limits().body_bytes, "bytes in a function body", "body_bytes"))) return Result::Error;
  const FunctionType& type = module_.type_of_function(function);
  body_ = {.function = function,
           .type = &type,
           .offset = static_cast<std::uint32_t>(state->offset),
           .size = static_cast<std::uint32_t>(size)};
  locals_.assign(type.params.begin(), type.params.end());
  all_locals_ += locals_.size();
  if (Failed(limit(all_locals_, limits().all_locals, "locals of all functions", "all_locals"))) return Result::Error;
  ops_.clear();
  br_targets_.clear();
  block_sizes_.clear();
  open_block_types_ = 0;
  ended_ = false;
  return Result::Ok;
}

Result ModuleReader::OnLocalDeclCount(Index count) {
  next_offset_ = static_cast<std::uint32_t>(state->offset);
  if (count == 0) bodies_.begin_function(*body_.type, locals_);
  local_groups_ = count;
  return Result::Ok;
}

Result ModuleReader::OnLocalDecl(Index index, Index count, wabt::Type type) {
  next_offset_ = static_cast<std::uint32_t>(state->offset);
  if (Failed(limit(locals_.size() + count, limits().locals, "locals", "locals"))) return Result::Error;
  ValueType own{};
  if (Failed(convert(type, own))) return Result::Error;
  all_locals_ += count;
  if (Failed(limit(all_locals_, limits().all_locals, "locals of all functions", "all_locals"))) return Result::Error;
  locals_.insert(locals_.end(), count, own);
  if (index + 1 == local_groups_) bodies_.begin_function(*body_.type, locals_);
  return Result::Ok;
}

Result ModuleReader::EndFunctionBody(Index) {
  if (!ended_) return fail_here("function body must end with END opcode");
  if (Failed(bodies_.checker().EndFunction())) return fail(op_offset_, bodies_.message());
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
  if (in_init_expr_) return check_constant(opcode);
  const std::size_t operands = bodies_.checker().type_stack_size();
  return operands <= limits().operands ? Result(Result::Ok)
                                       : limit(operands, limits().operands, "operands", "operands");
}

// Undefined and disabled opcodes are refused by the reader, with their bytes.
Result ModuleReader::check_constant(Opcode opcode) {
  switch (opcode) {
    case Opcode::I32Const:
    case Opcode::I64Const:
    case Opcode::F32Const:
    case Opcode::F64Const:
    case Opcode::GlobalGet:
    case Opcode::RefFunc:
    case Opcode::RefNull:
    case Opcode::End:
      return Result::Ok;
    default:
      if (opcode.IsInvalid() || !opcode.IsEnabled(supported_features())) return Result::Ok;
      return fail(op_offset_, std::string("invalid initializer: instruction not valid in initializer expression: ") +
                                  opcode.GetName());
  }
}

Result ModuleReader::emit(Result validated, std::uint64_t imm) {
  if (Failed(validated)) return in_init_expr_ ? check(validated, op_offset_) : fail(op_offset_, bodies_.message());
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

Result ModuleReader::emit_constant(wabt::Type type, std::uint64_t bits) {
  return emit(in_init_expr_ ? validator_.OnConst(at_op(), type) : bodies_.checker().OnConst(type), bits);
}

Result ModuleReader::pass(std::uint64_t values) {
  values_passed_ += values;
  return limit(values_passed_, limits().values_passed, "values passed by calls, blocks and branches", "values_passed");
}

// At least as many as a branch to the label takes.
std::uint64_t ModuleReader::label_values(Index depth) const {
  return depth < block_sizes_.size() ? block_sizes_[block_sizes_.size() - 1 - depth] : body_.type->results.size();
}

Result ModuleReader::enter_block(Result (BodyValidator::*validate)(std::uint32_t), wabt::Type signature) {
  const std::uint32_t type = block_type_index(signature);
  if (type >= block_types_.size()) {
    return fail(op_offset_, "function type variable out of range: " + std::to_string(type - first_module_block_type) +
                                " (max " + std::to_string(module_.types.size()) + ")");
  }
  if (Failed(pass(block_types_[type])) || Failed(emit((bodies_.*validate)(type), type, 0))) return Result::Error;
  const std::size_t size = block_types_[type].params.size() + block_types_[type].results.size();
  block_sizes_.push_back(static_cast<std::uint32_t>(size));
  open_block_types_ += size;
  if (Failed(limit(block_sizes_.size(), limits().open_blocks, "nested blocks", "open_blocks"))) return Result::Error;
  return limit(open_block_types_, limits().open_block_types, "types of nested blocks", "open_block_types");
}

Result ModuleReader::OnBlockExpr(wabt::Type signature) {
  return enter_block(&BodyValidator::block, signature);
}
Result ModuleReader::OnLoopExpr(wabt::Type signature) {
  return enter_block(&BodyValidator::loop, signature);
}
Result ModuleReader::OnIfExpr(wabt::Type signature) {
  return enter_block(&BodyValidator::if_, signature);
}
Result ModuleReader::OnElseExpr() {
  return emit(bodies_.checker().OnElse());
}

// A body's own `end` is validated by EndFunctionBody, a constant expression's by EndInitExpr.
Result ModuleReader::OnEndExpr() {
  if (in_init_expr_ || block_sizes_.empty()) {
    ended_ = true;
    return emit(Result::Ok);
  }
  open_block_types_ -= block_sizes_.back();
  block_sizes_.pop_back();
  return emit(bodies_.checker().OnEnd());
}

Result ModuleReader::OnBrExpr(Index depth) {
  if (Failed(pass(label_values(depth)))) return Result::Error;
  return emit(bodies_.checker().OnBr(depth), depth, 0);
}
Result ModuleReader::OnBrIfExpr(Index depth) {
  if (Failed(pass(label_values(depth)))) return Result::Error;
  return emit(bodies_.checker().OnBrIf(depth), depth, 0);
}

Result ModuleReader::OnBrTableExpr(Index count, Index* depths, Index default_depth) {
  if (Failed(limit(count, limits().br_table_targets, "targets of a br_table", "br_table_targets")))
    return Result::Error;
  std::uint64_t values = label_values(default_depth);
  for (const Index depth : std::span(depths, count)) values += label_values(depth);
  if (Failed(pass(values))) return Result::Error;
  const auto first = static_cast<std::uint32_t>(br_targets_.size());
  br_targets_.insert(br_targets_.end(), depths, depths + count);
  br_targets_.push_back(default_depth);
  return emit(bodies_.br_table(std::span(br_targets_).subspan(first)), first, count);
}

Result ModuleReader::OnReturnExpr() {
  if (Failed(pass(body_.type->results.size()))) return Result::Error;
  return emit(bodies_.checker().OnReturn());
}
Result ModuleReader::OnUnreachableExpr() {
  return emit(bodies_.checker().OnUnreachable());
}
Result ModuleReader::OnNopExpr() {
  return emit(Result::Ok);
}
Result ModuleReader::OnDropExpr() {
  return emit(bodies_.checker().OnDrop());
}

Result ModuleReader::OnSelectExpr(Index count, wabt::Type* types) {
  if (opcode_ == Opcode::Select) return emit(bodies_.checker().OnSelect({}));
  if (count != 1) return fail(op_offset_, "invalid arity in select instruction: " + std::to_string(count) + ".");
  ValueType type{};
  if (Failed(convert(*types, type))) return Result::Error;
  return emit(bodies_.select(type), static_cast<std::uint32_t>(type), 0);
}

Result ModuleReader::OnCallExpr(Index function) {
  if (function < module_.functions.size() && Failed(pass(module_.type_of_function(function)))) return Result::Error;
  return emit(bodies_.call(function), function, 0);
}
Result ModuleReader::OnCallIndirectExpr(Index type, Index table) {
  if (type < module_.types.size() && Failed(pass(module_.types[type]))) return Result::Error;
  return emit(bodies_.call_indirect(type, table), type, table);
}

Result ModuleReader::OnLocalGetExpr(Index local) {
  return emit(bodies_.local_get(local), local, 0);
}
Result ModuleReader::OnLocalSetExpr(Index local) {
  return emit(bodies_.local_set(local), local, 0);
}
Result ModuleReader::OnLocalTeeExpr(Index local) {
  return emit(bodies_.local_tee(local), local, 0);
}
Result ModuleReader::OnGlobalGetExpr(Index global) {
  return emit(in_init_expr_ ? validator_.OnGlobalGet(at_op(), wabt::Var(global, at_op())) : bodies_.global_get(global),
              global, 0);
}
Result ModuleReader::OnGlobalSetExpr(Index global) {
  if (global < module_.globals.size()) module_.globals[global].is_written = true;
  return emit(bodies_.global_set(global), global, 0);
}

Result ModuleReader::OnI32ConstExpr(std::uint32_t value) {
  return emit_constant(wabt::Type::I32, value);
}
Result ModuleReader::OnI64ConstExpr(std::uint64_t value) {
  return emit_constant(wabt::Type::I64, value);
}
Result ModuleReader::OnF32ConstExpr(std::uint32_t bits) {
  return emit_constant(wabt::Type::F32, bits);
}
Result ModuleReader::OnF64ConstExpr(std::uint64_t bits) {
  return emit_constant(wabt::Type::F64, bits);
}

Result ModuleReader::OnUnaryExpr(Opcode opcode) {
  return emit(bodies_.checker().OnUnary(opcode));
}
Result ModuleReader::OnBinaryExpr(Opcode opcode) {
  return emit(bodies_.checker().OnBinary(opcode));
}
Result ModuleReader::OnCompareExpr(Opcode opcode) {
  return emit(bodies_.checker().OnCompare(opcode));
}
Result ModuleReader::OnConvertExpr(Opcode opcode) {
  return emit(bodies_.checker().OnConvert(opcode));
}

Result ModuleReader::OnLoadExpr(Opcode opcode, Index, wabt::Address align_log2, wabt::Address offset) {
  return emit(bodies_.load(opcode, align_log2), offset);
}
Result ModuleReader::OnStoreExpr(Opcode opcode, Index, wabt::Address align_log2, wabt::Address offset) {
  return emit(bodies_.store(opcode, align_log2), offset);
}

Result ModuleReader::OnMemorySizeExpr(Index) {
  return emit(bodies_.memory_size());
}
Result ModuleReader::OnMemoryGrowExpr(Index) {
  return emit(bodies_.memory_grow());
}
Result ModuleReader::OnMemoryFillExpr(Index) {
  return emit(bodies_.memory_fill());
}
Result ModuleReader::OnMemoryCopyExpr(Index, Index) {
  return emit(bodies_.memory_copy());
}
Result ModuleReader::OnMemoryInitExpr(Index segment, Index) {
  return emit(bodies_.memory_init(segment), segment, 0);
}
Result ModuleReader::OnDataDropExpr(Index segment) {
  return emit(bodies_.data_drop(segment), segment, 0);
}

// The index may not be valid yet.
void ModuleReader::note_table_write(Index table) {
  if (table < module_.tables.size()) module_.tables[table].is_written = true;
}

Result ModuleReader::OnTableGetExpr(Index table) {
  return emit(bodies_.table_get(table), table, 0);
}
Result ModuleReader::OnTableSetExpr(Index table) {
  note_table_write(table);
  return emit(bodies_.table_set(table), table, 0);
}
Result ModuleReader::OnTableGrowExpr(Index table) {
  note_table_write(table);
  return emit(bodies_.table_grow(table), table, 0);
}
Result ModuleReader::OnTableSizeExpr(Index table) {
  return emit(bodies_.table_size(table), table, 0);
}
Result ModuleReader::OnTableFillExpr(Index table) {
  note_table_write(table);
  return emit(bodies_.table_fill(table), table, 0);
}
Result ModuleReader::OnTableCopyExpr(Index destination, Index source) {
  note_table_write(destination);
  return emit(bodies_.table_copy(destination, source), destination, source);
}
Result ModuleReader::OnTableInitExpr(Index segment, Index table) {
  note_table_write(table);
  return emit(bodies_.table_init(segment, table), segment, table);
}
Result ModuleReader::OnElemDropExpr(Index segment) {
  return emit(bodies_.elem_drop(segment), segment, 0);
}

Result ModuleReader::OnRefFuncExpr(Index function) {
  return emit(in_init_expr_ ? validator_.OnRefFunc(at_op(), wabt::Var(function, at_op())) : bodies_.ref_func(function),
              function, 0);
}
Result ModuleReader::OnRefIsNullExpr() {
  return emit(bodies_.checker().OnRefIsNullExpr());
}
Result ModuleReader::OnRefNullExpr(wabt::Type type) {
  ValueType own{};
  if (Failed(convert(type, own))) return Result::Error;
  const Result valid = in_init_expr_ ? validator_.OnRefNull(at_op(), type) : bodies_.checker().OnRefNullExpr(type);
  return emit(valid, static_cast<std::uint32_t>(own), 0);
}

}  // namespace shunt::wasm
