// FunctionLowering: the walk over the operations, and control flow.
#include <llvm/IR/Constants.h>
#include <llvm/IR/MDBuilder.h>

#include "runtime/wasm/optimising/function_lowering.h"
#include "runtime/wasm/optimising/lowering.h"

namespace shunt::wasm {

using baseline::OpInfo;
using baseline::OpKind;

FunctionLowering::FunctionLowering(ModuleLowering& shared, const FunctionBody& body, llvm::Function& function,
                                   llvm::DISubprogram* scope)
    : shared_(shared),
      body_(body),
      function_(function),
      scope_(scope),
      b_(llvm::BasicBlock::Create(function_.getContext(), "entry", &function_)) {}

void FunctionLowering::run() {
  prologue();
  walk(0, static_cast<std::uint32_t>(body_.ops.size()));
}

// Up to, without, `end`.
void FunctionLowering::walk(std::uint32_t begin, std::uint32_t end) {
  for (position_ = begin; position_ < end; ++position_) {
    const Op& op = body_.ops[position_];
    b_.SetCurrentDebugLocation(llvm::DILocation::get(function_.getContext(), op.offset, 0, scope_));
    if (reachable_) {
      step(op);
    } else {
      skip(op);
    }
  }
}

void FunctionLowering::prologue() {
  b_.SetCurrentDebugLocation(llvm::DILocation::get(function_.getContext(), body_.offset, 0, scope_));
  context_ = function_.getArg(0);
  memory_base_ = context_field(offsetof(VmContext, memory_base), b_.getPtrTy());
  const std::size_t params = body_.type->params.size();
  for (std::size_t i = 0; i < body_.locals.size(); ++i) {
    llvm::Type* const type = shared_.type(body_.locals[i]);
    locals_.push_back(b_.CreateAlloca(type));
    llvm::Value* const first = i < params ? static_cast<llvm::Value*>(function_.getArg(static_cast<unsigned>(i + 1)))
                                          : llvm::Constant::getNullValue(type);
    b_.CreateStore(first, locals_.back());
  }
  open_function();
}

void FunctionLowering::open_function() {
  Block block{};
  block.kind = OpKind::Return;
  block.type = body_.type;
  block.end = new_block("return");
  block.merges = make_merges(block.end, body_.type->results);
  blocks_.push_back(std::move(block));
}

llvm::BasicBlock* FunctionLowering::new_block(const char* name) {
  return llvm::BasicBlock::Create(function_.getContext(), name, &function_);
}

std::vector<llvm::PHINode*> FunctionLowering::make_merges(llvm::BasicBlock* block, std::span<const ValueType> types) {
  std::vector<llvm::PHINode*> merges;
  merges.reserve(types.size());
  for (const ValueType type : types) merges.push_back(llvm::PHINode::Create(shared_.type(type), 2, "", block));
  return merges;
}

std::span<const ValueType> FunctionLowering::label_types(const Block& block) {
  return block.kind == OpKind::Loop ? block.type->params : block.type->results;
}

llvm::Value* FunctionLowering::is_true(llvm::Value* condition) {
  // A comparison that was made a number goes back to what it was.
  if (auto* const wide = llvm::dyn_cast<llvm::ZExtInst>(condition)) {
    if (wide->getSrcTy()->isIntegerTy(1)) return wide->getOperand(0);
  }
  return b_.CreateICmpNE(condition, llvm::Constant::getNullValue(condition->getType()));
}

// Where nothing is reached only the ends of blocks count.
void FunctionLowering::skip(const Op& op) {
  switch (baseline::info_of(op.opcode).kind) {
    case OpKind::Block:
    case OpKind::Loop:
    case OpKind::If:
      ++skipped_;
      return;
    case OpKind::Else:
      if (skipped_ == 0) close_then();
      return;
    case OpKind::End:
      if (skipped_ == 0) {
        close_block();
      } else {
        --skipped_;
      }
      return;
    default:
      return;
  }
}

void FunctionLowering::step(const Op& op) {
  const OpInfo& info = baseline::info_of(op.opcode);
  switch (info.kind) {
    case OpKind::LocalGet:
      push(b_.CreateLoad(locals_[op.a]->getAllocatedType(), locals_[op.a]));
      return;
    case OpKind::LocalSet:
      b_.CreateStore(pop(), locals_[op.a]);
      return;
    case OpKind::LocalTee:
      b_.CreateStore(stack_.back(), locals_[op.a]);
      return;
    case OpKind::GlobalGet:
      return global_get(op.a);
    case OpKind::GlobalSet:
      return global_set(op.a);
    case OpKind::Load:
      return load(op, info);
    case OpKind::Store:
      return store(op, info);
    case OpKind::MemorySize:
      return memory_size();
    case OpKind::TableSize:
      return table_size(op.a);
    case OpKind::Runtime:
      return runtime_call(op, info);
    case OpKind::RefNull:
      return push(word(0));
    case OpKind::RefIsNull:
      return push(b_.CreateZExt(b_.CreateICmpEQ(pop(), word(0)), b_.getInt32Ty()));
    case OpKind::RefFunc:
      return push(b_.CreatePtrToInt(shared_.function_reference(b_, context_, op.a), b_.getInt64Ty()));
    case OpKind::Drop:
      pop();
      return;
    case OpKind::Select: {
      llvm::Value* const condition = is_true(pop());
      llvm::Value* const other = pop();
      llvm::Value* const first = pop();
      return push(b_.CreateSelect(condition, first, other));
    }
    default:
      step_control(op, info);
  }
}

void FunctionLowering::step_control(const Op& op, const OpInfo& info) {
  switch (info.kind) {
    case OpKind::Nop:
      return;
    case OpKind::Unreachable:
      trap(TrapCode::Unreachable);
      reachable_ = false;
      return;
    case OpKind::Block:
    case OpKind::Loop:
    case OpKind::If:
      return open(op, info.kind);
    case OpKind::Else:
      return close_then();
    case OpKind::End:
      return close_block();
    case OpKind::Br:
      branch_to(target(op.a), b_.GetInsertBlock());
      b_.CreateBr(target(op.a).kind == OpKind::Loop ? target(op.a).begin : target(op.a).end);
      reachable_ = false;
      return;
    case OpKind::BrIf:
      return branch_if(op);
    case OpKind::BrTable:
      branch_table(op);
      reachable_ = false;
      return;
    case OpKind::Return:
      branch_to(blocks_.front(), b_.GetInsertBlock());
      b_.CreateBr(blocks_.front().end);
      reachable_ = false;
      return;
    case OpKind::Call:
      return call(op);
    case OpKind::CallIndirect:
      return call_indirect(op);
    default:
      step_numeric(op, info);
  }
}

void FunctionLowering::open(const Op& op, OpKind kind) {
  if (kind == OpKind::Loop && begins_ == op.offset) begin_here();
  Block block{};
  block.kind = kind;
  block.position = position_;
  block.type = &body_.block_types[op.a];
  llvm::Value* const condition = kind == OpKind::If ? is_true(pop()) : nullptr;
  const std::size_t params = block.type->params.size();
  block.height = stack_.size() - params;
  block.end = new_block("end");
  if (kind == OpKind::Loop) {
    block.begin = new_block("loop");
    block.merges = make_merges(block.begin, block.type->params);
    for (std::size_t i = 0; i < params; ++i) {
      block.merges[i]->addIncoming(stack_[block.height + i], b_.GetInsertBlock());
      stack_[block.height + i] = block.merges[i];
    }
    b_.CreateBr(block.begin);
    b_.SetInsertPoint(block.begin);
  } else {
    block.merges = make_merges(block.end, block.type->results);
  }
  if (kind == OpKind::If) {
    block.other = new_block("else");
    llvm::BasicBlock* const then = new_block("then");
    block.params.assign(stack_.end() - static_cast<std::ptrdiff_t>(params), stack_.end());
    b_.CreateCondBr(condition, then, block.other);
    b_.SetInsertPoint(then);
  }
  blocks_.push_back(std::move(block));
}

// The values that the block's label takes are on top of the stack, where they stay.
void FunctionLowering::branch_to(Block& block, llvm::BasicBlock* from) {
  const std::size_t count = block.merges.size();
  for (std::size_t i = 0; i < count; ++i) block.merges[i]->addIncoming(stack_[stack_.size() - count + i], from);
  block.is_reached = true;
}

void FunctionLowering::close_then() {
  Block& block = blocks_.back();
  if (reachable_) {
    branch_to(block, b_.GetInsertBlock());
    b_.CreateBr(block.end);
  }
  b_.SetInsertPoint(block.other);
  block.other = nullptr;
  stack_.resize(block.height);
  stack_.insert(stack_.end(), block.params.begin(), block.params.end());
  reachable_ = true;
}

void FunctionLowering::close_block() {
  if (blocks_.back().kind == OpKind::If && blocks_.back().other != nullptr) close_then();
  Block block = std::move(blocks_.back());
  blocks_.pop_back();
  if (block.kind == OpKind::Loop) {
    // Its results are where they are; nothing branches to its end.
    block.end->eraseFromParent();
    if (!reachable_) stack_.resize(block.height);
    if (block.is_entered) turn_again(block);
    return;
  }
  if (reachable_) {
    const std::size_t count = block.merges.size();
    for (std::size_t i = 0; i < count; ++i) {
      block.merges[i]->addIncoming(stack_[stack_.size() - count + i], b_.GetInsertBlock());
    }
    b_.CreateBr(block.end);
  }
  stack_.resize(block.height);
  if (!reachable_ && !block.is_reached) {
    block.end->eraseFromParent();
    return;
  }
  b_.SetInsertPoint(block.end);
  reachable_ = true;
  stack_.insert(stack_.end(), block.merges.begin(), block.merges.end());
  if (block.kind == OpKind::Return) make_returns();
}

void FunctionLowering::make_returns() {
  if (slots_ != nullptr) {
    for (std::size_t i = 0; i < stack_.size(); ++i) store_slot(b_, slots_, i, stack_[i]);
    stack_.clear();
  }
  if (stack_.empty()) {
    b_.CreateRetVoid();
  } else if (stack_.size() == 1) {
    b_.CreateRet(stack_.front());
  } else {
    b_.CreateAggregateRet(stack_.data(), static_cast<unsigned>(stack_.size()));
  }
}

void FunctionLowering::branch_if(const Op& op) {
  llvm::Value* const condition = is_true(pop());
  Block& block = target(op.a);
  branch_to(block, b_.GetInsertBlock());
  llvm::BasicBlock* const next = new_block("next");
  b_.CreateCondBr(condition, block.kind == OpKind::Loop ? block.begin : block.end, next);
  b_.SetInsertPoint(next);
}

void FunctionLowering::branch_table(const Op& op) {
  llvm::Value* const index = pop();
  const auto depths = body_.br_targets.subspan(op.a, std::size_t{op.b} + 1);
  const auto label = [&](std::uint32_t depth) {
    Block& block = target(depth);
    branch_to(block, b_.GetInsertBlock());  // one value for each edge: a switch may have several to one block
    return block.kind == OpKind::Loop ? block.begin : block.end;
  };
  llvm::SwitchInst* const branch = b_.CreateSwitch(index, label(depths.back()), op.b);
  for (std::uint32_t i = 0; i < op.b; ++i) branch->addCase(b_.getInt32(i), label(depths[i]));
}

}  // namespace shunt::wasm
