#include "runtime/wasm/optimising/loop_question.h"

#include <llvm/IR/IRBuilder.h>

#include <cstddef>
#include <utility>

#include "runtime/wasm/instance/vm_context.h"
#include "runtime/wasm/optimising/llvm_versions.h"

namespace shunt::wasm {

LoopQuestion::LoopQuestion(llvm::Function& function, llvm::ScalarEvolution& evolution, const LoopPlan& plan,
                           llvm::PredicatedScalarEvolution& predicates)
    : function_(function),
      evolution_(evolution),
      plan_(plan),
      predicates_(predicates),
      expander_(make_expander(evolution, function, "versions")),
      word_(llvm::Type::getInt64Ty(function.getContext())) {}

llvm::Value* LoopQuestion::expand(const llvm::SCEV* value, llvm::BasicBlock& head) {
  return expander_.expandCodeFor(value, value->getType(), head.getTerminator());
}
const llvm::SCEV* LoopQuestion::constant(std::int64_t value) {
  return evolution_.getConstant(word_, static_cast<std::uint64_t>(value), true);
}
const llvm::SCEV* LoopQuestion::taken() {
  return evolution_.getTruncateOrZeroExtend(plan_.taken, word_);
}

llvm::Value* LoopQuestion::iterations(llvm::BasicBlock& head) {
  return expand(evolution_.getAddExpr(taken(), evolution_.getOne(word_)), head);
}

llvm::Value* LoopQuestion::ask(llvm::BasicBlock& head) {
  llvm::IRBuilder<> builder(head.getTerminator());
  llvm::Value* all = builder.getTrue();
  const auto require = [&](llvm::Value* fact) { all = builder.CreateAnd(all, fact); };
  if (!predicates_.getPredicate().isAlwaysTrue()) {
    llvm::Value* const broken = expander_.expandCodeForPredicate(&predicates_.getPredicate(), head.getTerminator());
    require(builder.CreateNot(broken));
  }
  if (evolution_.getUnsignedRangeMax(taken()).ugt(most_iterations)) {
    require(builder.CreateICmpULE(expand(taken(), head), llvm::ConstantInt::get(word_, most_iterations)));
  }
  for (const auto& [offset, expected] : plan_.equal) {
    llvm::Value* const found = expand(offset, head);
    llvm::Value* const wanted = expand(expected, head);
    require(builder.CreateICmpEQ(found, wanted));
  }
  if (plan_.ranges.empty()) return all;
  llvm::Value* const bytes = memory_bytes(builder);
  llvm::SmallVector<std::pair<llvm::Value*, llvm::Value*>> extents;
  for (const AccessRange& range : plan_.ranges) {
    const llvm::SCEV* const way = evolution_.getMulExpr(taken(), constant(range.step));
    const llvm::SCEV* const last = evolution_.getAddExpr(range.first, way);
    const bool falls = range.step < 0;
    const llvm::SCEV* const low = evolution_.getAddExpr(falls ? last : range.first, constant(range.low));
    const llvm::SCEV* const high = evolution_.getAddExpr(falls ? range.first : last, constant(range.high));
    firsts_.push_back(expand(range.first, head));
    llvm::Value* const begin = expand(low, head);
    llvm::Value* const end = expand(high, head);
    require(builder.CreateICmpSLE(end, bytes));
    if (!evolution_.isKnownNonNegative(low)) require(builder.CreateICmpSGE(begin, llvm::ConstantInt::get(word_, 0)));
    extents.emplace_back(begin, end);
  }
  for (std::size_t i = 0; i < extents.size(); ++i) {
    for (std::size_t j = i + 1; j < extents.size(); ++j) {
      if (!plan_.ranges[i].written && !plan_.ranges[j].written) continue;
      require(builder.CreateOr(builder.CreateICmpSLE(extents[i].second, extents[j].first),
                               builder.CreateICmpSLE(extents[j].second, extents[i].first)));
    }
  }
  return all;
}

// A memory grows, and never shrinks: what is inside it now stays so.
llvm::Value* LoopQuestion::memory_bytes(llvm::IRBuilderBase& builder) {
  llvm::Value* const field = builder.CreatePtrAdd(function_.getArg(0), builder.getInt64(offsetof(VmContext, memory)));
  llvm::Value* const memory = builder.CreateLoad(builder.getPtrTy(), field);
  return builder.CreateLoad(word_, builder.CreatePtrAdd(memory, builder.getInt64(offsetof(MemoryView, bytes))));
}

}  // namespace shunt::wasm
