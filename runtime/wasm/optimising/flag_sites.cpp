#include "runtime/wasm/optimising/flag_sites.h"

#include <llvm/ADT/STLExtras.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/Transforms/Utils/BasicBlockUtils.h>

#include <array>

#include "runtime/wasm/optimising/flag_reads.h"
#include "shunt/codegen/orc.h"
#include "shunt/runtime/flags.h"

namespace shunt::wasm {
namespace {

// Whether only zero or not is asked.
bool is_truth(llvm::CallInst& read) {
  if (!read.getType()->isIntegerTy()) return false;
  return llvm::all_of(read.users(), [](llvm::User* user) {
    auto* const compare = llvm::dyn_cast<llvm::ICmpInst>(user);
    return compare != nullptr && compare->isEquality() && llvm::isa<llvm::ConstantInt>(compare->getOperand(1)) &&
           llvm::cast<llvm::ConstantInt>(compare->getOperand(1))->isZero();
  });
}

class SiteMaker {
 public:
  SiteMaker(llvm::CallInst& read, const FlagImport& import)
      : read_(read), import_(import), before_(read.getParent()), after_(llvm::SplitBlock(before_, &read)) {
    after_->setName("flag.read");
    value_ = llvm::PHINode::Create(read.getType(), 3, "flag", after_->begin());
    value_->addIncoming(llvm::Constant::getNullValue(read.getType()), before_);
    before_->getTerminator()->eraseFromParent();
  }

  void run() {
    flags::Flag& flag = *import_.flag;
    const bool is_variant = !import_.variant.empty();
    if (is_variant || is_truth(read_)) {
      llvm::BasicBlock* const on = arm("flag.on", 1);
      llvm::BasicBlock* const stub = flag.may_be_demoted() ? demoted() : on;
      DemotableKey& key = is_variant ? flag.variant(import_.variant) : flag.truth();
      emit(key, std::array{on, stub, stub});
    } else {
      DemotableSwitch& key = flag.number(import_.type);
      llvm::BasicBlock* const other = loader();
      llvm::BasicBlock* const one = import_.type == flags::FlagType::I32 ? arm("flag.one", 1) : other;
      std::vector<llvm::BasicBlock*> targets{one, other};
      targets.resize(2 + key.values(), other);
      emit(key, targets);
    }
    read_.replaceAllUsesWith(value_);
    read_.eraseFromParent();
  }

 private:
  void emit(KeyBase& key, std::span<llvm::BasicBlock* const> targets) {
    llvm::IRBuilder<> builder(before_);
    builder.SetCurrentDebugLocation(read_.getDebugLoc());
    orc::emit_branch(builder, key, SiteForm::AlignedWord, after_, targets);
  }

  llvm::BasicBlock* block(const char* name) {
    return llvm::BasicBlock::Create(read_.getContext(), name, before_->getParent());
  }

  llvm::BasicBlock* arm(const char* name, std::uint64_t value) {
    llvm::BasicBlock* const made = block(name);
    llvm::BranchInst::Create(after_, made);
    value_->addIncoming(llvm::ConstantInt::get(read_.getType(), value), made);
    return made;
  }

  // The value in force. Acquire: what was written before the flag changed is seen.
  llvm::Value* load(llvm::IRBuilder<>& builder) {
    const auto address = reinterpret_cast<std::uintptr_t>(&import_.flag->bits(import_.type));
    llvm::LoadInst* const bits = builder.CreateAlignedLoad(
        builder.getInt64Ty(), builder.CreateIntToPtr(builder.getInt64(address), builder.getPtrTy()), llvm::Align(8));
    bits->setAtomic(llvm::AtomicOrdering::Acquire);
    if (read_.getType()->isDoubleTy()) return builder.CreateBitCast(bits, read_.getType());
    return builder.CreateTrunc(bits, read_.getType());
  }

  llvm::BasicBlock* loader() {
    llvm::BasicBlock* const made = block("flag.other");
    llvm::IRBuilder<> builder(made);
    value_->addIncoming(load(builder), made);
    builder.CreateBr(after_);
    return made;
  }

  // The key's state, loaded: for a truth and a variant, whose values are states 0 and 1 of each half.
  llvm::BasicBlock* demoted() {
    llvm::BasicBlock* const made = block("flag.demoted");
    llvm::IRBuilder<> builder(made);
    const DemotableKey& key = import_.variant.empty() ? import_.flag->truth() : import_.flag->variant(import_.variant);
    const auto address = reinterpret_cast<std::uintptr_t>(&key.word());
    llvm::LoadInst* const word = builder.CreateAlignedLoad(
        builder.getInt32Ty(), builder.CreateIntToPtr(builder.getInt64(address), builder.getPtrTy()), llvm::Align(4));
    word->setAtomic(llvm::AtomicOrdering::Acquire);
    value_->addIncoming(builder.CreateZExtOrTrunc(builder.CreateIsNotNull(word), read_.getType()), made);
    builder.CreateBr(after_);
    return made;
  }

  llvm::CallInst& read_;
  const FlagImport& import_;
  llvm::BasicBlock* before_;
  llvm::BasicBlock* after_;
  llvm::PHINode* value_;
};

}  // namespace

llvm::PreservedAnalyses FlagSitesPass::run(llvm::Function& function, llvm::FunctionAnalysisManager&) {
  std::vector<llvm::CallInst*> reads;
  for (llvm::Instruction& instruction : llvm::instructions(function)) {
    if (llvm::CallInst* const read = as_flag_read(instruction)) reads.push_back(read);
  }
  for (llvm::CallInst* const read : reads) {
    const std::uint64_t import = llvm::cast<llvm::ConstantInt>(read->getArgOperand(0))->getZExtValue();
    SiteMaker(*read, imports_[import]).run();
  }
  return reads.empty() ? llvm::PreservedAnalyses::all() : llvm::PreservedAnalyses::none();
}

}  // namespace shunt::wasm
