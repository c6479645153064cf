#include "runtime/wasm/optimising/detour_sites.h"

#include <llvm/ADT/STLExtras.h>
#include <llvm/Analysis/LoopInfo.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/IntrinsicInst.h>

#include "shunt/codegen/orc.h"

namespace shunt::wasm {
namespace {

bool calls(const llvm::Function& function) {
  return llvm::any_of(llvm::instructions(function), [](const llvm::Instruction& instruction) {
    const auto* const call = llvm::dyn_cast<llvm::CallInst>(&instruction);
    return call != nullptr && !call->isInlineAsm() && !llvm::isa<llvm::IntrinsicInst>(call);
  });
}

}  // namespace

llvm::PreservedAnalyses DetourSitesPass::run(llvm::Function& function, llvm::FunctionAnalysisManager& analyses) {
  if (function.getSubprogram() == nullptr) return llvm::PreservedAnalyses::all();  // no function of the guest
  llvm::SmallVector<llvm::BasicBlock*> places;
  for (const llvm::Loop* const loop : analyses.getResult<llvm::LoopAnalysis>(function).getLoopsInPreorder()) {
    places.push_back(loop->getHeader());
  }
  if (calls(function)) places.push_back(&function.getEntryBlock());
  for (llvm::BasicBlock* const block : places) {
    llvm::IRBuilder<> builder(block, block->getFirstInsertionPt());
    builder.SetCurrentDebugLocation(block->getTerminator()->getDebugLoc());
    orc::emit_detour(builder, key_, SiteForm::AlignedWord, entry_);
  }
  return places.empty() ? llvm::PreservedAnalyses::all() : llvm::PreservedAnalyses::none();
}

}  // namespace shunt::wasm
