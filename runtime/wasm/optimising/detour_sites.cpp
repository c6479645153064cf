#include "runtime/wasm/optimising/detour_sites.h"

#include <llvm/ADT/STLExtras.h>
#include <llvm/ADT/SmallPtrSet.h>
#include <llvm/ADT/SmallVector.h>
#include <llvm/Analysis/LoopInfo.h>
#include <llvm/IR/CFG.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/IntrinsicInst.h>

#include "runtime/wasm/optimising/flag_reads.h"
#include "shunt/codegen/orc.h"

namespace shunt::wasm {
namespace {

bool calls(const llvm::Function& function) {
  return llvm::any_of(llvm::instructions(function), [](const llvm::Instruction& instruction) {
    const auto* const call = llvm::dyn_cast<llvm::CallInst>(&instruction);
    return call != nullptr && !call->isInlineAsm() && !llvm::isa<llvm::IntrinsicInst>(call);
  });
}

// Blocks that are entered within a strip: what was read where the strip began must not become older than a safepoint.
class Strips {
 public:
  explicit Strips(llvm::Function& function) {
    for (llvm::BasicBlock& block : function) {
      if (leaves(block, false)) enter(block);
    }
    while (!open_.empty()) {
      llvm::BasicBlock& block = *open_.pop_back_val();
      if (leaves(block, true)) enter(block);
    }
  }
  [[nodiscard]] bool contain(const llvm::Loop& loop) const { return inside_.contains(loop.getHeader()); }

 private:
  // Whether a block is left within a strip, if `enters` says whether it is entered so.
  static bool leaves(const llvm::BasicBlock& block, bool enters) {
    for (const llvm::Instruction& instruction : block) {
      if (const auto mark = as_strip_mark(instruction)) enters = *mark == StripMark::Begin;
    }
    return enters;
  }
  void enter(llvm::BasicBlock& left) {
    for (llvm::BasicBlock* const next : llvm::successors(&left)) {
      if (inside_.insert(next).second) open_.push_back(next);
    }
  }

  llvm::SmallPtrSet<const llvm::BasicBlock*, 16> inside_;
  llvm::SmallVector<llvm::BasicBlock*> open_;
};

void remove_marks(llvm::Function& function) {
  for (llvm::Instruction& instruction : llvm::make_early_inc_range(llvm::instructions(function))) {
    if (as_strip_mark(instruction)) instruction.eraseFromParent();
  }
}

}  // namespace

llvm::PreservedAnalyses DetourSitesPass::run(llvm::Function& function, llvm::FunctionAnalysisManager& analyses) {
  if (function.getSubprogram() == nullptr) return llvm::PreservedAnalyses::all();  // no function of the guest
  const Strips strips(function);
  llvm::SmallVector<llvm::BasicBlock*> places;
  for (const llvm::Loop* const loop : analyses.getResult<llvm::LoopAnalysis>(function).getLoopsInPreorder()) {
    if (!strips.contain(*loop)) places.push_back(loop->getHeader());
  }
  remove_marks(function);
  if (calls(function)) places.push_back(&function.getEntryBlock());
  if (key_ == nullptr) return llvm::PreservedAnalyses::none();
  for (llvm::BasicBlock* const block : places) {
    llvm::IRBuilder<> builder(block, block->getFirstInsertionPt());
    builder.SetCurrentDebugLocation(block->getTerminator()->getDebugLoc());
    orc::emit_detour(builder, *key_, SiteForm::AlignedWord, entry_);
  }
  return llvm::PreservedAnalyses::none();
}

}  // namespace shunt::wasm
