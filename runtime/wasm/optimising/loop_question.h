// What is asked in front of a loop that has a fast version (loop_plan.h): whether what the version takes for granted is
// so, this time.
#pragma once

#include <llvm/ADT/ArrayRef.h>
#include <llvm/ADT/SmallVector.h>
#include <llvm/Analysis/ScalarEvolution.h>
#include <llvm/IR/Function.h>
#include <llvm/Transforms/Utils/ScalarEvolutionExpander.h>

#include <cstdint>

#include "runtime/wasm/optimising/loop_plan.h"

namespace shunt::wasm {

class LoopQuestion {
 public:
  LoopQuestion(llvm::Function& function, llvm::ScalarEvolution& evolution, const LoopPlan& plan,
               llvm::PredicatedScalarEvolution& predicates);

  // A bit, computed at the end of `head`, which leads to the loop: every byte of every iteration lies inside the
  // memory, ranges that are written lie apart from the others, and no address wraps.
  llvm::Value* ask(llvm::BasicBlock& head);

  // How many iterations the loop will have: 64 bits, computed at the end of `head`.
  llvm::Value* iterations(llvm::BasicBlock& head);

  // Where each range begins, behind ask().
  [[nodiscard]] llvm::ArrayRef<llvm::Value*> firsts() const { return firsts_; }

 private:
  llvm::Value* expand(const llvm::SCEV* value, llvm::BasicBlock& head);
  const llvm::SCEV* constant(std::int64_t value);
  const llvm::SCEV* taken();
  llvm::Value* memory_bytes(llvm::IRBuilderBase& builder);

  llvm::Function& function_;
  llvm::ScalarEvolution& evolution_;
  const LoopPlan& plan_;
  llvm::PredicatedScalarEvolution& predicates_;
  llvm::SCEVExpander expander_;
  llvm::Type* word_;
  llvm::SmallVector<llvm::Value*> firsts_;
};

}  // namespace shunt::wasm
