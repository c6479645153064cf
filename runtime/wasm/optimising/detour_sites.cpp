#include "runtime/wasm/optimising/detour_sites.h"

#include <llvm/ADT/STLExtras.h>
#include <llvm/ADT/SetVector.h>
#include <llvm/ADT/SmallVector.h>
#include <llvm/IR/CFG.h>
#include <llvm/IR/InstIterator.h>

#include "runtime/wasm/optimising/flag_reads.h"
#include "shunt/codegen/orc.h"

namespace shunt::wasm {
namespace {

// Blocks that are entered within a strip: what was read where the strip began must not become older than a safepoint.
class Strips {
 public:
  explicit Strips(llvm::Function& function) {
    for (llvm::BasicBlock& block : function) {
      if (leaves(block, false)) enter(block);
    }
    while (!open_.empty()) {
      llvm::BasicBlock& block = *open_.pop_back_val();
      if (leaves(block, true)) enter(block);
    }
  }
  [[nodiscard]] const auto& blocks() const { return inside_; }

 private:
  // Whether a block is left within a strip, if `enters` says whether it is entered so.
  static bool leaves(const llvm::BasicBlock& block, bool enters) {
    for (const llvm::Instruction& instruction : block) {
      if (const auto mark = as_strip_mark(instruction)) enters = *mark == StripMark::Begin;
    }
    return enters;
  }
  void enter(llvm::BasicBlock& left) {
    for (llvm::BasicBlock* const next : llvm::successors(&left)) {
      if (inside_.insert(next)) open_.push_back(next);
    }
  }

  llvm::SetVector<llvm::BasicBlock*> inside_;
  llvm::SmallVector<llvm::BasicBlock*> open_;
};

void remove_marks(llvm::Function& function) {
  for (llvm::Instruction& instruction : llvm::make_early_inc_range(llvm::instructions(function))) {
    if (as_strip_mark(instruction)) instruction.eraseFromParent();
  }
}

}  // namespace

llvm::PreservedAnalyses DetourSitesPass::run(llvm::Function& function, llvm::FunctionAnalysisManager&) {
  if (function.getSubprogram() == nullptr) return llvm::PreservedAnalyses::all();  // no function of the guest
  const Strips strips(function);
  for (llvm::BasicBlock* const block : strips.blocks()) within_strips_->emplace_back(block);
  remove_marks(function);
  orc::want_detours(function);
  return llvm::PreservedAnalyses::none();
}

}  // namespace shunt::wasm
