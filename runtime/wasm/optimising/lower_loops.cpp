// FunctionLowering: functions that are entered at the head of one of their loops.
//
// The operations are lowered as ever, but behind a block that nobody comes from; at the loop, execution comes in with
// the locals and the operand stack in slots. What only the function's begin leads to goes away again. Back edges of the
// loops around would lead there, so each of these loops gets, behind the turn that began in the middle, a copy that is
// whole:
//
//   A  loop { B  loop { C }  D  }  E     entered at the inner loop:     loop { C }  D  loop { B  loop { C }  D }  E
//
// So every loop has one entry, and is optimised as ever.
#include <llvm/IR/CFG.h>
#include <llvm/Transforms/Utils/Local.h>

#include "runtime/wasm/optimising/function_lowering.h"
#include "runtime/wasm/optimising/lowering.h"

namespace shunt::wasm {

using baseline::OpKind;

bool FunctionLowering::run_from(std::uint32_t loop) {
  b_.SetCurrentDebugLocation(llvm::DILocation::get(function_.getContext(), loop, 0, scope_));
  context_ = function_.getArg(0);
  slots_ = function_.getArg(1);
  memory_base_ = context_field(offsetof(VmContext, memory_base), b_.getPtrTy());
  for (std::size_t i = 0; i < body_.locals.size(); ++i) {
    llvm::Type* const type = shared_.type(body_.locals[i]);
    locals_.push_back(b_.CreateAlloca(type));
    b_.CreateStore(from_slot(b_, slots_, i, type), locals_.back());
  }
  begins_ = loop;
  first_ = new_block("first");
  b_.CreateBr(first_);
  b_.SetInsertPoint(new_block("before"));
  open_function();
  walk(0, static_cast<std::uint32_t>(body_.ops.size()));
  if (begins_) {  // the loop was skipped
    b_.SetInsertPoint(first_);
    b_.CreateUnreachable();
  }
  llvm::removeUnreachableBlocks(function_);
  return !begins_;
}

// At the loop where execution begins.
void FunctionLowering::begin_here() {
  begins_.reset();
  b_.CreateUnreachable();
  b_.SetInsertPoint(first_);
  for (std::size_t i = 0; i < stack_.size(); ++i) {
    stack_[i] = from_slot(b_, slots_, body_.locals.size() + i, stack_[i]->getType());
  }
  for (Block& block : blocks_) {
    if (block.kind != OpKind::Loop) continue;
    block.is_entered = true;
    block.begin = new_block("again");
    block.merges = make_merges(block.begin, block.type->params);
  }
}

// At the end of a loop that execution began inside of: all turns but that one.
void FunctionLowering::turn_again(const Block& first) {
  if (llvm::pred_empty(first.begin)) {
    first.begin->eraseFromParent();
    return;
  }
  llvm::BasicBlock* const after = new_block("after");
  const std::vector<llvm::PHINode*> results = make_merges(after, first.type->results);
  const auto leave = [&] {
    if (!reachable_) return;
    for (std::size_t i = 0; i < results.size(); ++i) {
      results[i]->addIncoming(stack_[first.height + i], b_.GetInsertBlock());
    }
    b_.CreateBr(after);
  };
  leave();
  b_.SetInsertPoint(first.begin);
  stack_.resize(first.height);
  stack_.insert(stack_.end(), first.merges.begin(), first.merges.end());
  reachable_ = true;
  const std::uint32_t end = position_;
  walk(first.position, end + 1);
  position_ = end;
  leave();
  stack_.resize(first.height);
  reachable_ = !llvm::pred_empty(after);
  if (!reachable_) {
    after->eraseFromParent();
    return;
  }
  b_.SetInsertPoint(after);
  stack_.insert(stack_.end(), results.begin(), results.end());
}

namespace {

// How many operations are lowered, but for those in front of the loop: what is behind, and the loops around once more.
std::size_t cost_of(const FunctionBody& body, std::uint32_t loop) {
  std::vector<std::size_t> open;  // positions of blocks
  std::vector<std::size_t> around;
  std::size_t cost = 0;
  for (std::size_t position = 0; position < body.ops.size(); ++position) {
    const OpKind kind = baseline::info_of(body.ops[position].opcode).kind;
    if (kind == OpKind::Block || kind == OpKind::Loop || kind == OpKind::If) {
      if (kind == OpKind::Loop && body.ops[position].offset == loop) {
        around = open;
        cost = body.ops.size() - position;
      }
      open.push_back(position);
    } else if (kind == OpKind::End && !open.empty()) {
      const std::size_t begin = open.back();
      open.pop_back();
      const bool is_loop = baseline::info_of(body.ops[begin].opcode).kind == OpKind::Loop;
      if (is_loop && open.size() < around.size() && around[open.size()] == begin) cost += position + 1 - begin;
    }
  }
  return cost;
}

}  // namespace

bool lower_loop(ModuleLowering& shared, const FunctionBody& body, const CodePlace& loop, llvm::DISubprogram* scope,
                std::size_t& budget) {
  const std::size_t cost = cost_of(body, loop.module_offset);
  if (cost > budget) return false;
  llvm::LLVMContext& context = shared.ir.getContext();
  llvm::Type* const pointer = llvm::PointerType::getUnqual(context);
  llvm::FunctionType* const type = llvm::FunctionType::get(llvm::Type::getVoidTy(context), {pointer, pointer}, false);
  const auto add = [&](const std::string& name) {
    llvm::Function* const function = llvm::Function::Create(type, llvm::GlobalValue::ExternalLinkage, name, shared.ir);
    shared.decorate(*function);
    function->addParamAttr(0, llvm::Attribute::NonNull);
    return function;
  };
  llvm::Function* const rest = add("rest." + loop_name(loop));
  rest->addParamAttr(0, llvm::Attribute::SwiftSelf);  // as bodies have it
  rest->setSubprogram(scope);
  if (!FunctionLowering(shared, body, *rest, scope).run_from(loop.module_offset)) {
    rest->eraseFromParent();
    return false;
  }
  budget -= cost;
  llvm::Function* const entry = add(loop_name(loop));
  llvm::IRBuilder<> b(llvm::BasicBlock::Create(context, "entry", entry));
  const auto counter = reinterpret_cast<std::uintptr_t>(shared.options.loop_entries);
  if (counter != 0) {
    b.CreateAtomicRMW(llvm::AtomicRMWInst::Add, b.CreateIntToPtr(b.getInt64(counter), pointer), b.getInt64(1),
                      llvm::MaybeAlign(), llvm::AtomicOrdering::Monotonic);
  }
  llvm::CallInst* const call = b.CreateCall(rest, {entry->getArg(0), entry->getArg(1)});
  call->addParamAttr(0, llvm::Attribute::SwiftSelf);
  call->setIsNoInline();
  b.CreateRetVoid();
  return true;
}

}  // namespace shunt::wasm
