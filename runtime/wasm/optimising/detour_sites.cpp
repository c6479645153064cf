#include "runtime/wasm/optimising/detour_sites.h"

#include <llvm/ADT/STLExtras.h>
#include <llvm/Analysis/LoopInfo.h>
#include <llvm/IR/Dominators.h>
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

bool is_marked(llvm::BasicBlock& block) {
  return llvm::any_of(block, [](llvm::Instruction& instruction) { return as_strip_mark(instruction) != nullptr; });
}

// Whether the loop is a strip's: what was read in front of the strip must not become older than a safepoint. The block
// in front of it is looked for among those that dominate the loop, up to the head of the loop around it.
bool is_in_strip(const llvm::Loop& loop, const llvm::DominatorTree& dominators) {
  const llvm::Loop* const around = loop.getParentLoop();
  for (const llvm::DomTreeNode* node = dominators[loop.getHeader()]->getIDom(); node != nullptr;
       node = node->getIDom()) {
    if (is_marked(*node->getBlock())) return true;
    if (around != nullptr && node->getBlock() == around->getHeader()) return false;
  }
  return false;
}

void remove_marks(llvm::Function& function) {
  for (llvm::Instruction& instruction : llvm::make_early_inc_range(llvm::instructions(function))) {
    if (llvm::CallInst* const mark = as_strip_mark(instruction)) mark->eraseFromParent();
  }
}

}  // namespace

llvm::PreservedAnalyses DetourSitesPass::run(llvm::Function& function, llvm::FunctionAnalysisManager& analyses) {
  if (function.getSubprogram() == nullptr) return llvm::PreservedAnalyses::all();  // no function of the guest
  const llvm::DominatorTree& dominators = analyses.getResult<llvm::DominatorTreeAnalysis>(function);
  llvm::SmallVector<llvm::BasicBlock*> places;
  for (const llvm::Loop* const loop : analyses.getResult<llvm::LoopAnalysis>(function).getLoopsInPreorder()) {
    if (!is_in_strip(*loop, dominators)) places.push_back(loop->getHeader());
  }
  if (calls(function)) places.push_back(&function.getEntryBlock());
  remove_marks(function);
  if (key_ == nullptr) return llvm::PreservedAnalyses::none();
  for (llvm::BasicBlock* const block : places) {
    llvm::IRBuilder<> builder(block, block->getFirstInsertionPt());
    builder.SetCurrentDebugLocation(block->getTerminator()->getDebugLoc());
    orc::emit_detour(builder, *key_, SiteForm::AlignedWord, entry_);
  }
  return llvm::PreservedAnalyses::none();
}

}  // namespace shunt::wasm
