// FunctionLowering: traps, calls of functions, of the runtime, and reads of flags.
#include <llvm/IR/Constants.h>
#include <llvm/IR/InlineAsm.h>
#include <llvm/IR/MDBuilder.h>

#include <array>

#include "runtime/wasm/optimising/flag_reads.h"
#include "runtime/wasm/optimising/function_lowering.h"
#include "runtime/wasm/optimising/trap_instruction.h"
#include "shunt/runtime/flags.h"

namespace shunt::wasm {

using baseline::OpInfo;

// Ends the block.
void FunctionLowering::trap(TrapCode code) {
  llvm::FunctionType* const type = llvm::FunctionType::get(b_.getVoidTy(), {b_.getInt32Ty()}, false);
  llvm::CallInst* const stop = b_.CreateCall(llvm::InlineAsm::get(type, trap_instruction, "i", true),
                                             {b_.getInt32(static_cast<std::uint32_t>(code))});
  stop->setDoesNotReturn();
  stop->addFnAttr(llvm::Attribute::NoMerge);  // each says where it stands
  stop->addFnAttr(llvm::Attribute::Cold);
  b_.CreateUnreachable();
}

void FunctionLowering::trap_if(llvm::Value* condition, TrapCode code) {
  llvm::BasicBlock* const stop = new_block("trap");
  llvm::BasicBlock* const next = new_block("");
  b_.CreateCondBr(condition, stop, next, llvm::MDBuilder(function_.getContext()).createUnlikelyBranchWeights());
  b_.SetInsertPoint(stop);
  trap(code);
  b_.SetInsertPoint(next);
}

// `first` comes before the arguments: the context, or a reference.
void FunctionLowering::call_body(llvm::FunctionCallee callee, llvm::Value* first, bool is_context,
                                 const FunctionType& type) {
  const std::size_t count = type.params.size();
  std::vector<llvm::Value*> arguments{first};
  arguments.insert(arguments.end(), stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
  stack_.resize(stack_.size() - count);
  llvm::CallInst* const call = b_.CreateCall(callee, arguments);
  if (is_context) call->addParamAttr(0, llvm::Attribute::SwiftSelf);
  if (type.results.size() == 1) push(call);
  for (std::size_t i = 0; type.results.size() > 1 && i < type.results.size(); ++i) {
    push(b_.CreateExtractValue(call, static_cast<unsigned>(i)));
  }
}

void FunctionLowering::call(const Op& op) {
  if (op.a < shared_.options.flag_imports.size() && shared_.options.flag_imports[op.a].flag != nullptr) {
    return read_flag(op);
  }
  call_function(op.a);
}

void FunctionLowering::call_function(std::uint32_t function) {
  const FunctionType& type = shared_.module.type_of_function(function);
  if (llvm::Function* const body = shared_.body(function)) return call_body(body, context_, true, type);
  if (llvm::Function* const outside = shared_.outside(function)) return call_body(outside, context_, true, type);
  llvm::Function* const by_reference = shared_.call_reference(shared_.module.functions[function].type);
  call_body(by_reference, shared_.function_reference(b_, context_, function), false, type);
}

void FunctionLowering::call_indirect(const Op& op) {
  llvm::Value* const index = pop();
  if (!call_known(op, index)) call_unknown(op, index);
}

void FunctionLowering::call_unknown(const Op& op, llvm::Value* narrow_index) {
  llvm::Value* const index = b_.CreateZExt(narrow_index, b_.getInt64Ty());
  llvm::Value* const view = table_view(op.b);
  const auto runtime_load = [&](llvm::Type* type, llvm::Value* place) {
    llvm::LoadInst* const load = b_.CreateLoad(type, place);
    load->setMetadata(llvm::LLVMContext::MD_tbaa, shared_.runtime_data);
    return load;
  };
  const auto field = [&](llvm::Value* base, std::size_t offset) {
    return b_.CreateConstInBoundsGEP1_64(b_.getInt8Ty(), base, offset);
  };
  llvm::Value* const size = runtime_load(b_.getInt64Ty(), field(view, offsetof(TableView, size)));
  trap_if(b_.CreateICmpUGE(index, size), TrapCode::UndefinedElement);
  llvm::Value* const elements = runtime_load(b_.getPtrTy(), field(view, offsetof(TableView, elements)));
  llvm::Value* const reference = runtime_load(b_.getPtrTy(), b_.CreateInBoundsGEP(b_.getInt64Ty(), elements, {index}));
  trap_if(b_.CreateIsNull(reference), TrapCode::IndirectCallToNull);
  llvm::Value* const type = runtime_load(b_.getInt32Ty(), field(reference, offsetof(FuncRef, type)));
  trap_if(b_.CreateICmpNE(type, b_.getInt32(shared_.options.canonical_types[op.a])),
          TrapCode::IndirectCallTypeMismatch);
  call_body(shared_.call_reference(op.a), reference, false, shared_.module.types[op.a]);
}

// --- the runtime ---

// Missing arguments are zero.
llvm::Value* FunctionLowering::call_builtin(Builtin builtin, std::span<llvm::Value* const> arguments) {
  llvm::Type* const i64 = b_.getInt64Ty();
  std::array<llvm::Value*, 6> all{context_, word(0), word(0),
                                  word(0),  word(0), b_.getInt32(static_cast<std::uint32_t>(builtin))};
  for (std::size_t i = 0; i < arguments.size(); ++i) all[i + 1] = b_.CreateZExtOrTrunc(arguments[i], i64);
  llvm::FunctionType* const type =
      llvm::FunctionType::get(i64, {b_.getPtrTy(), i64, i64, i64, i64, b_.getInt32Ty()}, false);
  llvm::Value* const thunk =
      b_.CreateIntToPtr(word(reinterpret_cast<std::uintptr_t>(shared_.options.call_builtin)), b_.getPtrTy());
  return b_.CreateCall(type, thunk, all);
}

void FunctionLowering::runtime_call(const Op& op, const OpInfo& info) {
  const auto builtin = static_cast<Builtin>(info.op);
  const auto from_stack = [&](std::size_t count) {
    std::vector<llvm::Value*> values(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    return values;
  };
  std::vector<llvm::Value*> arguments;
  switch (builtin) {
    case Builtin::MemoryGrow:
      push(b_.CreateTrunc(call_builtin(builtin, from_stack(1)), b_.getInt32Ty()));
      return;
    case Builtin::MemoryFill:
    case Builtin::MemoryCopy:
      arguments = from_stack(3);
      break;
    case Builtin::MemoryInit:
    case Builtin::TableFill:
      arguments = from_stack(3);
      arguments.push_back(word(op.a));
      break;
    case Builtin::TableCopy:
    case Builtin::TableInit:
      arguments = from_stack(3);
      arguments.push_back(word(std::uint64_t{op.a} << 32 | op.b));
      break;
    case Builtin::TableGet:
      arguments = from_stack(1);
      arguments.push_back(word(op.a));
      push(call_builtin(builtin, arguments));
      return;
    case Builtin::TableGrow:
      arguments = from_stack(2);
      arguments.push_back(word(op.a));
      push(b_.CreateTrunc(call_builtin(builtin, arguments), b_.getInt32Ty()));
      return;
    case Builtin::TableSet:
      arguments = from_stack(2);
      arguments.push_back(word(op.a));
      break;
    default:  // DataDrop, ElemDrop
      arguments = {word(op.a)};
      break;
  }
  call_builtin(builtin, arguments);
}

void FunctionLowering::read_flag(const Op& op) {
  const FlagImport& flag = shared_.options.flag_imports[op.a];
  if (flag.type == flags::FlagType::String) {
    llvm::Value* const capacity = pop();
    const std::array<llvm::Value*, 3> arguments{pop(), capacity, word(op.a)};
    push(b_.CreateTrunc(call_builtin(Builtin::FlagString, arguments), b_.getInt32Ty()));
    return;
  }
  llvm::Type* const type = flag.type == flags::FlagType::I64   ? b_.getInt64Ty()
                           : flag.type == flags::FlagType::F64 ? b_.getDoubleTy()
                                                               : b_.getInt32Ty();
  push(b_.CreateCall(flag_read_function(shared_.ir, type), {word(op.a), context_}));
}

}  // namespace shunt::wasm
