#include <utility>

#include "runtime/wasm/module/module_reader.h"

namespace shunt::wasm {
namespace {

using wabt::Failed;
using wabt::Index;
using wabt::Opcode;

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

wabt::Result ModuleReader::begin_code() {
  if (code_begun_) return wabt::Result::Ok;
  code_begun_ = true;
  block_types_.resize(1);
  for (const ValueType type : single_results) block_types_.push_back({.params = {}, .results = {type}});
  block_types_.insert(block_types_.end(), module_.types.begin(), module_.types.end());
  bodies_.begin_code();
  Status status = sink_.begin_code(module_);
  if (status) return wabt::Result::Ok;
  sink_error_ = std::move(status).error();
  return wabt::Result::Error;
}

wabt::Result ModuleReader::BeginCodeSection(wabt::Offset size) {
  module_.code_section_bytes = size;
  return begin_code();
}

wabt::Result ModuleReader::BeginFunctionBody(Index function, wabt::Offset size) {
  if (Failed(limit(size, limits().body_bytes, "bytes in a function body", "body_bytes"))) return wabt::Result::Error;
  const FunctionType& type = module_.type_of_function(function);
  body_ = {.function = function,
           .type = &type,
           .offset = static_cast<std::uint32_t>(state->offset),
           .size = static_cast<std::uint32_t>(size)};
  locals_.assign(type.params.begin(), type.params.end());
  all_locals_ += locals_.size();
  if (Failed(limit(all_locals_, limits().all_locals, "locals of all functions", "all_locals")))
    return wabt::Result::Error;
  ops_.clear();
  br_targets_.clear();
  block_sizes_.clear();
  open_block_types_ = 0;
  ended_ = false;
  return wabt::Result::Ok;
}

wabt::Result ModuleReader::OnLocalDeclCount(Index count) {
  next_offset_ = static_cast<std::uint32_t>(state->offset);
  if (count == 0) bodies_.begin_function(*body_.type, locals_);
  local_groups_ = count;
  return wabt::Result::Ok;
}

wabt::Result ModuleReader::OnLocalDecl(Index index, Index count, wabt::Type type) {
  next_offset_ = static_cast<std::uint32_t>(state->offset);
  if (Failed(limit(locals_.size() + count, limits().locals, "locals", "locals"))) return wabt::Result::Error;
  ValueType own{};
  if (Failed(convert(type, own))) return wabt::Result::Error;
  all_locals_ += count;
  if (Failed(limit(all_locals_, limits().all_locals, "locals of all functions", "all_locals")))
    return wabt::Result::Error;
  locals_.insert(locals_.end(), count, own);
  if (index + 1 == local_groups_) bodies_.begin_function(*body_.type, locals_);
  return wabt::Result::Ok;
}

wabt::Result ModuleReader::EndFunctionBody(Index) {
  if (!ended_) return fail_here("function body must end with END opcode");
  if (Failed(bodies_.checker().EndFunction())) return fail(op_offset_, bodies_.message());
  body_.locals = locals_;
  body_.ops = ops_;
  body_.block_types = block_types_;
  body_.br_targets = br_targets_;
  Status status = sink_.function(body_);
  if (status) return wabt::Result::Ok;
  sink_error_ = std::move(status).error();
  return wabt::Result::Error;
}

wabt::Result ModuleReader::OnOpcode(Opcode opcode) {
  if (ended_) return fail(next_offset_, "operation after the last END opcode");
  op_offset_ = next_offset_;
  opcode_ = opcode;
  if (in_init_expr_) return check_constant(opcode);
  const std::size_t operands = bodies_.checker().type_stack_size();
  return operands <= limits().operands ? wabt::Result(wabt::Result::Ok)
                                       : limit(operands, limits().operands, "operands", "operands");
}

// Undefined and disabled opcodes are refused by the reader, with their bytes.
wabt::Result ModuleReader::check_constant(Opcode opcode) {
  switch (opcode) {
    case Opcode::I32Const:
    case Opcode::I64Const:
    case Opcode::F32Const:
    case Opcode::F64Const:
    case Opcode::GlobalGet:
    case Opcode::RefFunc:
    case Opcode::RefNull:
    case Opcode::End:
      return wabt::Result::Ok;
    default:
      if (opcode.IsInvalid() || !opcode.IsEnabled(supported_features())) return wabt::Result::Ok;
      return fail(op_offset_, std::string("invalid initializer: instruction not valid in initializer expression: ") +
                                  opcode.GetName());
  }
}

wabt::Result ModuleReader::emit(wabt::Result validated, std::uint64_t imm) {
  if (Failed(validated)) return in_init_expr_ ? check(validated, op_offset_) : fail(op_offset_, bodies_.message());
  next_offset_ = static_cast<std::uint32_t>(state->offset);
  Op& op = ops_.emplace_back();
  op.opcode = opcode_;
  op.offset = op_offset_;
  op.imm = imm;
  return wabt::Result::Ok;
}

wabt::Result ModuleReader::emit(wabt::Result validated, std::uint32_t a, std::uint32_t b) {
  if (Failed(emit(validated))) return wabt::Result::Error;
  ops_.back().a = a;
  ops_.back().b = b;
  return wabt::Result::Ok;
}

wabt::Result ModuleReader::emit_constant(wabt::Type type, std::uint64_t bits) {
  return emit(in_init_expr_ ? validator_.OnConst(at_op(), type) : bodies_.checker().OnConst(type), bits);
}

wabt::Result ModuleReader::pass(std::uint64_t values) {
  values_passed_ += values;
  return limit(values_passed_, limits().values_passed, "values passed by calls, blocks and branches", "values_passed");
}

// At least as many as a branch to the label takes.
std::uint64_t ModuleReader::label_values(Index depth) const {
  return depth < block_sizes_.size() ? block_sizes_[block_sizes_.size() - 1 - depth] : body_.type->results.size();
}

wabt::Result ModuleReader::enter_block(wabt::Result (BodyValidator::*validate)(std::uint32_t), wabt::Type signature) {
  const std::uint32_t type = block_type_index(signature);
  if (type >= block_types_.size()) {
    return fail(op_offset_, "function type variable out of range: " + std::to_string(type - first_module_block_type) +
                                " (max " + std::to_string(module_.types.size()) + ")");
  }
  if (Failed(pass(block_types_[type])) || Failed(emit((bodies_.*validate)(type), type, 0))) return wabt::Result::Error;
  const std::size_t size = block_types_[type].params.size() + block_types_[type].results.size();
  block_sizes_.push_back(static_cast<std::uint32_t>(size));
  open_block_types_ += size;
  if (Failed(limit(block_sizes_.size(), limits().open_blocks, "nested blocks", "open_blocks")))
    return wabt::Result::Error;
  return limit(open_block_types_, limits().open_block_types, "types of nested blocks", "open_block_types");
}

wabt::Result ModuleReader::OnBlockExpr(wabt::Type signature) {
  return enter_block(&BodyValidator::block, signature);
}
wabt::Result ModuleReader::OnLoopExpr(wabt::Type signature) {
  return enter_block(&BodyValidator::loop, signature);
}
wabt::Result ModuleReader::OnIfExpr(wabt::Type signature) {
  return enter_block(&BodyValidator::if_, signature);
}
wabt::Result ModuleReader::OnElseExpr() {
  return emit(bodies_.checker().OnElse());
}

// A body's own `end` is validated by EndFunctionBody, a constant expression's by EndInitExpr.
wabt::Result ModuleReader::OnEndExpr() {
  if (in_init_expr_ || block_sizes_.empty()) {
    ended_ = true;
    return emit(wabt::Result::Ok);
  }
  open_block_types_ -= block_sizes_.back();
  block_sizes_.pop_back();
  return emit(bodies_.checker().OnEnd());
}

wabt::Result ModuleReader::OnBrExpr(Index depth) {
  if (Failed(pass(label_values(depth)))) return wabt::Result::Error;
  return emit(bodies_.checker().OnBr(depth), depth, 0);
}
wabt::Result ModuleReader::OnBrIfExpr(Index depth) {
  if (Failed(pass(label_values(depth)))) return wabt::Result::Error;
  return emit(bodies_.checker().OnBrIf(depth), depth, 0);
}

wabt::Result ModuleReader::OnBrTableExpr(Index count, Index* depths, Index default_depth) {
  if (Failed(limit(count, limits().br_table_targets, "targets of a br_table", "br_table_targets")))
    return wabt::Result::Error;
  std::uint64_t values = label_values(default_depth);
  for (const Index depth : std::span(depths, count)) values += label_values(depth);
  if (Failed(pass(values))) return wabt::Result::Error;
  const auto first = static_cast<std::uint32_t>(br_targets_.size());
  br_targets_.insert(br_targets_.end(), depths, depths + count);
  br_targets_.push_back(default_depth);
  return emit(bodies_.br_table(std::span(br_targets_).subspan(first)), first, count);
}

wabt::Result ModuleReader::OnReturnExpr() {
  if (Failed(pass(body_.type->results.size()))) return wabt::Result::Error;
  return emit(bodies_.checker().OnReturn());
}
wabt::Result ModuleReader::OnUnreachableExpr() {
  return emit(bodies_.checker().OnUnreachable());
}
wabt::Result ModuleReader::OnNopExpr() {
  return emit(wabt::Result::Ok);
}
wabt::Result ModuleReader::OnDropExpr() {
  return emit(bodies_.checker().OnDrop());
}

wabt::Result ModuleReader::OnSelectExpr(Index count, wabt::Type* types) {
  if (opcode_ == Opcode::Select) return emit(bodies_.checker().OnSelect({}));
  if (count != 1) return fail(op_offset_, "invalid arity in select instruction: " + std::to_string(count) + ".");
  ValueType type{};
  if (Failed(convert(*types, type))) return wabt::Result::Error;
  return emit(bodies_.select(type), static_cast<std::uint32_t>(type), 0);
}

wabt::Result ModuleReader::OnCallExpr(Index function) {
  if (function < module_.functions.size() && Failed(pass(module_.type_of_function(function))))
    return wabt::Result::Error;
  return emit(bodies_.call(function), function, 0);
}
wabt::Result ModuleReader::OnCallIndirectExpr(Index type, Index table) {
  if (type < module_.types.size() && Failed(pass(module_.types[type]))) return wabt::Result::Error;
  return emit(bodies_.call_indirect(type, table), type, table);
}

wabt::Result ModuleReader::OnLocalGetExpr(Index local) {
  return emit(bodies_.local_get(local), local, 0);
}
wabt::Result ModuleReader::OnLocalSetExpr(Index local) {
  return emit(bodies_.local_set(local), local, 0);
}
wabt::Result ModuleReader::OnLocalTeeExpr(Index local) {
  return emit(bodies_.local_tee(local), local, 0);
}
wabt::Result ModuleReader::OnGlobalGetExpr(Index global) {
  return emit(in_init_expr_ ? validator_.OnGlobalGet(at_op(), wabt::Var(global, at_op())) : bodies_.global_get(global),
              global, 0);
}
wabt::Result ModuleReader::OnGlobalSetExpr(Index global) {
  if (global < module_.globals.size()) module_.globals[global].is_written = true;
  return emit(bodies_.global_set(global), global, 0);
}

wabt::Result ModuleReader::OnI32ConstExpr(std::uint32_t value) {
  return emit_constant(wabt::Type::I32, value);
}
wabt::Result ModuleReader::OnI64ConstExpr(std::uint64_t value) {
  return emit_constant(wabt::Type::I64, value);
}
wabt::Result ModuleReader::OnF32ConstExpr(std::uint32_t bits) {
  return emit_constant(wabt::Type::F32, bits);
}
wabt::Result ModuleReader::OnF64ConstExpr(std::uint64_t bits) {
  return emit_constant(wabt::Type::F64, bits);
}

wabt::Result ModuleReader::OnUnaryExpr(Opcode opcode) {
  return emit(bodies_.checker().OnUnary(opcode));
}
wabt::Result ModuleReader::OnBinaryExpr(Opcode opcode) {
  return emit(bodies_.checker().OnBinary(opcode));
}
wabt::Result ModuleReader::OnCompareExpr(Opcode opcode) {
  return emit(bodies_.checker().OnCompare(opcode));
}
wabt::Result ModuleReader::OnConvertExpr(Opcode opcode) {
  return emit(bodies_.checker().OnConvert(opcode));
}

wabt::Result ModuleReader::OnLoadExpr(Opcode opcode, Index, wabt::Address align_log2, wabt::Address offset) {
  return emit(bodies_.load(opcode, align_log2), offset);
}
wabt::Result ModuleReader::OnStoreExpr(Opcode opcode, Index, wabt::Address align_log2, wabt::Address offset) {
  return emit(bodies_.store(opcode, align_log2), offset);
}

wabt::Result ModuleReader::OnMemorySizeExpr(Index) {
  return emit(bodies_.memory_size());
}
wabt::Result ModuleReader::OnMemoryGrowExpr(Index) {
  return emit(bodies_.memory_grow());
}
wabt::Result ModuleReader::OnMemoryFillExpr(Index) {
  return emit(bodies_.memory_fill());
}
wabt::Result ModuleReader::OnMemoryCopyExpr(Index, Index) {
  return emit(bodies_.memory_copy());
}
wabt::Result ModuleReader::OnMemoryInitExpr(Index segment, Index) {
  return emit(bodies_.memory_init(segment), segment, 0);
}
wabt::Result ModuleReader::OnDataDropExpr(Index segment) {
  return emit(bodies_.data_drop(segment), segment, 0);
}

// The index may not be valid yet.
void ModuleReader::note_table_write(Index table) {
  if (table < module_.tables.size()) module_.tables[table].is_written = true;
}

wabt::Result ModuleReader::OnTableGetExpr(Index table) {
  return emit(bodies_.table_get(table), table, 0);
}
wabt::Result ModuleReader::OnTableSetExpr(Index table) {
  note_table_write(table);
  return emit(bodies_.table_set(table), table, 0);
}
wabt::Result ModuleReader::OnTableGrowExpr(Index table) {
  note_table_write(table);
  return emit(bodies_.table_grow(table), table, 0);
}
wabt::Result ModuleReader::OnTableSizeExpr(Index table) {
  return emit(bodies_.table_size(table), table, 0);
}
wabt::Result ModuleReader::OnTableFillExpr(Index table) {
  note_table_write(table);
  return emit(bodies_.table_fill(table), table, 0);
}
wabt::Result ModuleReader::OnTableCopyExpr(Index destination, Index source) {
  note_table_write(destination);
  return emit(bodies_.table_copy(destination, source), destination, source);
}
wabt::Result ModuleReader::OnTableInitExpr(Index segment, Index table) {
  note_table_write(table);
  return emit(bodies_.table_init(segment, table), segment, table);
}
wabt::Result ModuleReader::OnElemDropExpr(Index segment) {
  return emit(bodies_.elem_drop(segment), segment, 0);
}

wabt::Result ModuleReader::OnRefFuncExpr(Index function) {
  return emit(in_init_expr_ ? validator_.OnRefFunc(at_op(), wabt::Var(function, at_op())) : bodies_.ref_func(function),
              function, 0);
}
wabt::Result ModuleReader::OnRefIsNullExpr() {
  return emit(bodies_.checker().OnRefIsNullExpr());
}
wabt::Result ModuleReader::OnRefNullExpr(wabt::Type type) {
  ValueType own{};
  if (Failed(convert(type, own))) return wabt::Result::Error;
  const wabt::Result valid =
      in_init_expr_ ? validator_.OnRefNull(at_op(), type) : bodies_.checker().OnRefNullExpr(type);
  return emit(valid, static_cast<std::uint32_t>(own), 0);
}

}  // namespace shunt::wasm
