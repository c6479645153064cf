// Keeps loads of guest memory, which may trap, where they are: LLVM does so with volatile loads in all but one place.
// X86CmovConversion makes a conditional move from memory a branch around it, volatile or not; so no value may go from
// memory straight into a select. Runs last.
#pragma once

#include <llvm/IR/PassManager.h>

namespace shunt::wasm {

class ExactLoadsPass : public llvm::PassInfoMixin<ExactLoadsPass> {
 public:
  static llvm::PreservedAnalyses run(llvm::Function& function, llvm::FunctionAnalysisManager& analyses);
  static bool isRequired() { return true; }  // NOLINT(readability-identifier-naming): LLVM's
};

}  // namespace shunt::wasm
