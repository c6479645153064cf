// Makes the reads of flags (flag_reads.h) patch sites, once nothing moves them any more.
//
//   used as true or false       site ─on→ the arm              the flag's truth, or a variant
//   used as a number            site ─one→ 1, ─other→ its bits, loaded
//
// A key that is demoted sends its sites to where the bits are loaded.
#pragma once

#include <llvm/IR/PassManager.h>

#include <span>

#include "runtime/wasm/baseline/baseline.h"

namespace shunt::wasm {

class FlagSitesPass : public llvm::PassInfoMixin<FlagSitesPass> {
 public:
  explicit FlagSitesPass(std::span<const FlagImport> imports) : imports_(imports) {}
  llvm::PreservedAnalyses run(llvm::Function& function, llvm::FunctionAnalysisManager& analyses);
  static bool isRequired() { return true; }  // NOLINT(readability-identifier-naming): LLVM's

 private:
  std::span<const FlagImport> imports_;
};

}  // namespace shunt::wasm
