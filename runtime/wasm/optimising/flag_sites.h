// Makes the reads of flags (flag_reads.h) patch sites, once nothing moves them any more.
//
//   decides a branch            site ─on→ the arm              the flag's truth, or a variant
//   used as true or false       site ─on→ 1
//   used as a number            site ─one→ 1, ─other→ its bits, loaded
//
//   an assumption               site ─broken→ the arm          (of a table: flag_reads.h)
//
// A key that is demoted sends its sites to where the bits are loaded, one in which contexts differ to where those of
// the instance are, which the function's first argument knows.
#pragma once

#include <llvm/IR/PassManager.h>

#include <span>

#include "runtime/wasm/baseline/baseline.h"
#include "runtime/wasm/module/module_data.h"
#include "runtime/wasm/speculation/module_assumptions.h"

namespace shunt::wasm {

class FlagSitesPass : public llvm::PassInfoMixin<FlagSitesPass> {
 public:
  FlagSitesPass(const ModuleData& module, std::span<const FlagImport> imports, const ModuleAssumptions* assumptions)
      : module_(module), imports_(imports), assumptions_(assumptions) {}
  llvm::PreservedAnalyses run(llvm::Function& function, llvm::FunctionAnalysisManager& analyses);
  static bool isRequired() { return true; }  // NOLINT(readability-identifier-naming): LLVM's

 private:
  const ModuleData& module_;
  std::span<const FlagImport> imports_;
  const ModuleAssumptions* assumptions_;  // null: no read asks for one
};

}  // namespace shunt::wasm
