// Says where a guest can be stopped: where it has to pass again and again, at the head of each loop and at the entry of
// each function that calls, but not within a strip (loop_versions.h): in front of it. The detours themselves are put in
// when code generation is done with the loops (shunt/codegen/orc.h, LateDetours). Runs last.
#pragma once

#include <llvm/IR/PassManager.h>
#include <llvm/IR/ValueHandle.h>

#include <vector>

namespace shunt::wasm {

class DetourSitesPass : public llvm::PassInfoMixin<DetourSitesPass> {
 public:
  // Adds the blocks of strips to `within_strips`.
  explicit DetourSitesPass(std::vector<llvm::WeakVH>& within_strips) : within_strips_(&within_strips) {}
  llvm::PreservedAnalyses run(llvm::Function& function, llvm::FunctionAnalysisManager& analyses);
  static bool isRequired() { return true; }  // NOLINT(readability-identifier-naming): LLVM's

 private:
  std::vector<llvm::WeakVH>* within_strips_;
};

}  // namespace shunt::wasm
