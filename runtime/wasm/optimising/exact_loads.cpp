#include "runtime/wasm/optimising/exact_loads.h"

#include <llvm/ADT/SmallPtrSet.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/InlineAsm.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/Instructions.h>

namespace shunt::wasm {
namespace {

// The volatile load whose value this is, at another width or not, or null.
llvm::LoadInst* loaded(llvm::Value* value) {
  while (auto* const cast = llvm::dyn_cast<llvm::CastInst>(value)) value = cast->getOperand(0);
  auto* const load = llvm::dyn_cast<llvm::LoadInst>(value);
  return load != nullptr && load->isVolatile() && load->getType()->isIntegerTy() ? load : nullptr;
}

// The value goes through a register: inline assembly without instructions.
void pass_through_register(llvm::LoadInst& load) {
  llvm::IRBuilder<> builder(load.getNextNode());
  builder.SetCurrentDebugLocation(load.getDebugLoc());
  llvm::FunctionType* const type = llvm::FunctionType::get(load.getType(), {load.getType()}, false);
  llvm::CallInst* const same = builder.CreateCall(llvm::InlineAsm::get(type, "", "=r,0", false), {&load});
  same->setDoesNotAccessMemory();
  same->setDoesNotThrow();
  load.replaceUsesWithIf(same, [same](const llvm::Use& use) { return use.getUser() != same; });
}

}  // namespace

llvm::PreservedAnalyses ExactLoadsPass::run(llvm::Function& function, llvm::FunctionAnalysisManager&) {
  llvm::SmallPtrSet<llvm::LoadInst*, 8> loads;
  for (llvm::Instruction& instruction : llvm::instructions(function)) {
    auto* const select = llvm::dyn_cast<llvm::SelectInst>(&instruction);
    if (select == nullptr) continue;
    for (llvm::Value* const value : {select->getTrueValue(), select->getFalseValue()}) {
      if (llvm::LoadInst* const load = loaded(value)) loads.insert(load);
    }
  }
  for (llvm::LoadInst* const load : loads) pass_through_register(*load);
  if (loads.empty()) return llvm::PreservedAnalyses::all();
  llvm::PreservedAnalyses preserved;
  preserved.preserveSet<llvm::CFGAnalyses>();
  return preserved;
}

}  // namespace shunt::wasm
