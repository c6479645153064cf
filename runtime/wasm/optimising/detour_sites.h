// Puts detours where a guest has to pass again and again: at the head of each loop, and at the entry of each function
// that calls. Runs late, when loops have the shape that they keep: one detour in an iteration of a vectorised loop,
// none in what the optimiser made of loops that are no more, and none within a strip (loop_versions.h), but in front of
// it.
#pragma once

#include <llvm/IR/PassManager.h>

#include <cstdint>

#include "shunt/static_key.h"

namespace shunt::wasm {

class DetourSitesPass : public llvm::PassInfoMixin<DetourSitesPass> {
 public:
  // `entry` is what the stubs call (shunt/codegen/orc.h, emit_detour).
  // Without a key: only takes the marks of strips away.
  DetourSitesPass(StaticKey* key, std::uint64_t entry) : key_(key), entry_(entry) {}
  llvm::PreservedAnalyses run(llvm::Function& function, llvm::FunctionAnalysisManager& analyses);
  static bool isRequired() { return true; }  // NOLINT(readability-identifier-naming): LLVM's

 private:
  StaticKey* key_;
  std::uint64_t entry_;
};

}  // namespace shunt::wasm
