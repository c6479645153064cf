#include "runtime/wasm/optimising/flag_sites.h"

#include <llvm/ADT/STLExtras.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/MDBuilder.h>
#include <llvm/Transforms/Utils/BasicBlockUtils.h>

#include <array>
#include <utility>

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

// The branch that asks for nothing but the truth of the read, if nothing lies between that may not trade places with
// the read: the site can be that branch. Otherwise null.
llvm::BranchInst* decided_branch(llvm::CallInst& read) {
  if (!is_truth(read) || !read.hasOneUse()) return nullptr;
  llvm::Instruction& compare = *llvm::cast<llvm::Instruction>(*read.user_begin());
  auto* const branch = llvm::dyn_cast<llvm::BranchInst>(read.getParent()->getTerminator());
  if (branch == nullptr || branch->isUnconditional() || branch->getCondition() != &compare || !compare.hasOneUse() ||
      branch->getSuccessor(0) == branch->getSuccessor(1)) {
    return nullptr;
  }
  for (llvm::Instruction* next = read.getNextNode(); next != branch; next = next->getNextNode()) {
    if (next->mayReadOrWriteMemory() || next->mayHaveSideEffects()) return nullptr;
  }
  return branch;
}

class SiteMaker {
 public:
  explicit SiteMaker(llvm::CallInst& read) : read_(read), context_(read.getArgOperand(1)), before_(read.getParent()) {
    if (llvm::BranchInst* const branch = decided_branch(read)) {
      become(*branch);
    } else {
      give_value();
    }
  }

  void assume(Assumption& assumption) {
    emit(assumption, std::array{arm("broken", 1)});
    remove_read();
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
    remove_read();
  }

 private:
  // One side of the branch that the site becomes: its values in `block` when execution comes from here.
  struct Side {
    llvm::BasicBlock* block = nullptr;
    llvm::SmallVector<std::pair<llvm::PHINode*, llvm::Value*>> values;
  };

  // The site falls through, or jumps, to where the value is made, which the rest of the block uses.
  void give_value() {
    after_ = llvm::SplitBlock(before_, &read_);
    after_->setName("flag.read");
    value_ = llvm::PHINode::Create(read_.getType(), 3, "flag", after_->begin());
    value_->addIncoming(llvm::Constant::getNullValue(read_.getType()), before_);
    before_->getTerminator()->eraseFromParent();
  }

  // The site falls through to one side, and jumps to the other.
  void become(llvm::BranchInst& branch) {
    auto& compare = *llvm::cast<llvm::ICmpInst>(branch.getCondition());
    const unsigned on = compare.getPredicate() == llvm::CmpInst::ICMP_NE ? 0 : 1;
    on_ = leave(*branch.getSuccessor(on));
    off_ = leave(*branch.getSuccessor(1 - on));
    branch.eraseFromParent();
    compare.eraseFromParent();
    after_ = block("flag.off");
    llvm::BranchInst::Create(off_.block, after_);
    enter(off_, after_);
  }

  // Execution comes no longer from before_ to there.
  Side leave(llvm::BasicBlock& there) {
    Side side{&there, {}};
    for (llvm::PHINode& phi : there.phis()) {
      side.values.emplace_back(&phi, phi.getIncomingValueForBlock(before_));
      phi.removeIncomingValue(before_, false);
    }
    return side;
  }
  static void enter(const Side& side, llvm::BasicBlock* from) {
    for (const auto& [phi, value] : side.values) phi->addIncoming(value, from);
  }

  void remove_read() {
    if (value_ != nullptr) read_.replaceAllUsesWith(value_);
    read_.eraseFromParent();
  }

  void emit(KeyBase& key, std::span<llvm::BasicBlock* const> targets) {
    llvm::IRBuilder<> builder(before_);
    builder.SetCurrentDebugLocation(read_.getDebugLoc());
    llvm::CallBrInst* const site = orc::emit_branch(builder, key, SiteForm::AlignedWord, after_, targets);
    // What runs while the flag is off comes first.
    llvm::SmallVector<std::uint32_t> weights(site->getNumSuccessors(), 1);
    weights.front() = 2000;
    site->setMetadata(llvm::LLVMContext::MD_prof, llvm::MDBuilder(site->getContext()).createBranchWeights(weights));
  }

  llvm::BasicBlock* block(const char* name) {
    return llvm::BasicBlock::Create(read_.getContext(), name, before_->getParent());
  }

  llvm::BasicBlock* arm(const char* name, std::uint64_t value) {
    llvm::BasicBlock* const made = block(name);
    if (value_ == nullptr) {
      llvm::BranchInst::Create(on_.block, made);
      enter(on_, made);
    } else {
      llvm::BranchInst::Create(after_, made);
      value_->addIncoming(llvm::ConstantInt::get(read_.getType(), value), made);
    }
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
    llvm::Value* const value = read_.getType()->isDoubleTy() ? builder.CreateBitCast(bits, read_.getType())
                                                             : builder.CreateTrunc(bits, read_.getType());
    if (value_ == nullptr) {
      builder.CreateCondBr(builder.CreateIsNotNull(value), on_.block, off_.block);
      enter(on_, made);
      enter(off_, made);
    } else {
      value_->addIncoming(value, made);
      builder.CreateBr(after_);
    }
    return made;
  }

  llvm::CallInst& read_;
  llvm::Value* context_;
  const FlagImport* import_ = nullptr;
  std::uint32_t cell_offset_ = 0;  // of the instance's own value, from its VmContext
  llvm::BasicBlock* before_;
  llvm::BasicBlock* after_ = nullptr;  // where the site falls through to
  llvm::PHINode* value_ = nullptr;     // in after_; null if the site is a branch of two sides
  Side on_, off_;
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
