// Versions of innermost loops: a fast one, and the exact one that it was made from.
//
// Guest memory is read and written by volatile accesses, so that each traps where WebAssembly says it does, in order.
// That keeps them from being hoisted, merged and vectorised. Where a loop's count is known when it begins, and the
// addresses advance by constant steps, one comparison in front of the loop says that no access of any iteration can
// trap; then they may be plain. If ranges that are written lie apart from the others (compared likewise), they are
// also said not to alias.
//
//      head:  does every byte lie inside the memory, do the written ranges lie apart?
//             yes |                                       | no
//                 v                                       v
//      fast:  plain accesses: hoisted, vectorised     exact:  as it was
//
// A loop that reads flags gets a fast version in which they are off. It runs in strips, in front of each of which the
// flags are read again. A strip passes no safepoint, so a flip is seen as flags.md says, and has between 1,024 and
// 65,536 iterations, for some tens of microseconds; the exact loop reads them in each
// iteration. (docs/flags.md: a read may be as old as the last safepoint; one stands in front of each strip.)
//
//      strip: are the flags off? (and the answer above)
//             yes |                                       | no
//                 v                                       v
//      fast:  some iterations without reads           exact:  the rest
//                 |
//                 +--> strip, until the count is used up
#pragma once

#include <llvm/Analysis/LoopAnalysisManager.h>
#include <llvm/IR/PassManager.h>

namespace llvm {
class Loop;
class LPMUpdater;
}  // namespace llvm

namespace shunt::wasm {

// Of functions whose first argument is a VmContext*, in which every volatile access is one of guest memory. Runs before
// the vectorisers, on simplified, rotated loops.
class LoopVersionsPass : public llvm::PassInfoMixin<LoopVersionsPass> {
 public:
  static llvm::PreservedAnalyses run(llvm::Function& function, llvm::FunctionAnalysisManager& analyses);
};

// Of loops that read flags and run up to 64 times, a number that is known: the whole loop is one strip. Runs before
// loops are unrolled, so that the fast version can be, without a read in it.
class ShortLoopVersionsPass : public llvm::PassInfoMixin<ShortLoopVersionsPass> {
 public:
  static llvm::PreservedAnalyses run(llvm::Loop& loop, llvm::LoopAnalysisManager& manager,
                                     llvm::LoopStandardAnalysisResults& analyses, llvm::LPMUpdater&);
};

}  // namespace shunt::wasm
