#include "runtime/wasm/optimising/flag_sites.h"

#include <llvm/ADT/STLExtras.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/Transforms/Utils/BasicBlockUtils.h>

#include <array>

#include "runtime/wasm/instance/flag_cells.h"
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
  explicit SiteMaker(llvm::CallInst& read)
      : read_(read),
        context_(read.getArgOperand(1)),
        before_(read.getParent()),
        after_(llvm::SplitBlock(before_, &read)) {
    after_->setName("flag.read");
    value_ = llvm::PHINode::Create(read.getType(), 3, "flag", after_->begin());
    value_->addIncoming(llvm::Constant::getNullValue(read.getType()), before_);
    before_->getTerminator()->eraseFromParent();
  }

  void assume(Assumption& assumption) {
    emit(assumption, std::array{arm("broken", 1)});
    replace();
  }

  void read_flag(const FlagImport& import, std::uint32_t cell_offset) {
    import_ = &import;
    cell_offset_ = cell_offset;
    flags::Flag& flag = *import.flag;
    const bool is_variant = !import.variant.empty();
    llvm::BasicBlock* const asks = loader("flag.asks", &SiteMaker::own_value);
    if (is_variant || is_truth(read_)) {
      llvm::BasicBlock* const on = arm("flag.on", 1);
      llvm::BasicBlock* const stub = flag.may_be_demoted() ? loader("flag.demoted", &SiteMaker::common_value) : asks;
      DemotableSwitch& key = is_variant ? flag.variant(import.variant) : flag.truth();
      emit(key, std::array{on, asks, stub, stub, asks});
    } else {
      llvm::BasicBlock* const other = loader("flag.other", &SiteMaker::common_value);
      llvm::BasicBlock* const one = import.type == flags::FlagType::I32 ? arm("flag.one", 1) : other;
      emit(flag.number(import.type), std::array{one, other, asks, other, other, other, asks});
    }
    replace();
  }

 private:
  void replace() {
    read_.replaceAllUsesWith(value_);
    read_.eraseFromParent();
  }

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

  // Of all contexts; of the instance's own.
  llvm::Value* common_value(llvm::IRBuilder<>& builder) {
    flags::Flag& flag = *import_->flag;
    const std::atomic<std::uint64_t>& bits =
        import_->variant.empty() ? flag.bits(import_->type) : flag.variant_bits(import_->variant);
    return builder.CreateIntToPtr(builder.getInt64(reinterpret_cast<std::uintptr_t>(&bits)), builder.getPtrTy());
  }
  llvm::Value* own_value(llvm::IRBuilder<>& builder) {
    return builder.CreateConstInBoundsGEP1_64(builder.getInt8Ty(), context_, cell_offset_);
  }

  // The bits that stand there, as the value. Acquire: what was written before the flag changed is seen.
  llvm::BasicBlock* loader(const char* name, llvm::Value* (SiteMaker::*place)(llvm::IRBuilder<>&)) {
    llvm::BasicBlock* const made = block(name);
    llvm::IRBuilder<> builder(made);
    llvm::LoadInst* const bits =
        builder.CreateAlignedLoad(builder.getInt64Ty(), (this->*place)(builder), llvm::Align(8));
    bits->setAtomic(llvm::AtomicOrdering::Acquire);
    value_->addIncoming(read_.getType()->isDoubleTy() ? builder.CreateBitCast(bits, read_.getType())
                                                      : builder.CreateTrunc(bits, read_.getType()),
                        made);
    builder.CreateBr(after_);
    return made;
  }

  llvm::CallInst& read_;
  llvm::Value* context_;
  const FlagImport* import_ = nullptr;
  std::uint32_t cell_offset_ = 0;  // of the instance's own value, from its VmContext
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
    const std::uint64_t number = llvm::cast<llvm::ConstantInt>(read->getArgOperand(0))->getZExtValue();
    if (number < imports_.size()) {
      SiteMaker(*read).read_flag(imports_[number], flag_cell_offset(module_, static_cast<std::uint32_t>(number)));
    } else {
      SiteMaker(*read).assume(*assumptions_->of_table(static_cast<std::uint32_t>(number - imports_.size())));
    }
  }
  if (reads.empty()) return llvm::PreservedAnalyses::all();
  // What was concluded of the function while its reads were calls.
  function.removeFnAttr(llvm::Attribute::Memory);
  for (llvm::Argument& argument : function.args()) {
    argument.removeAttr(llvm::Attribute::ReadNone);
    argument.removeAttr(llvm::Attribute::ReadOnly);
    argument.removeAttr(llvm::Attribute::WriteOnly);
  }
  return llvm::PreservedAnalyses::none();
}

}  // namespace shunt::wasm
