#include "runtime/wasm/optimising/loop_plan.h"

#include <llvm/ADT/STLExtras.h>
#include <llvm/Analysis/ConstantFolding.h>
#include <llvm/IR/Constants.h>
#include <llvm/IR/DataLayout.h>
#include <llvm/IR/Function.h>

#include <optional>

#include "runtime/wasm/optimising/flag_reads.h"

namespace shunt::wasm {
namespace {

constexpr std::uint64_t longest_step = 1 << 20;  // bytes an iteration
constexpr std::size_t most_ranges = 8;           // compared with one another in front of the loop
constexpr std::size_t most_flags = 2;            // more would be off together too rarely

class Planner {
 public:
  Planner(llvm::Loop& loop, llvm::PredicatedScalarEvolution& predicates, LoopPlan& plan)
      : loop_(loop), predicates_(predicates), evolution_(*predicates.getSE()), plan_(plan) {}

  bool run(PlanFor what) {
    find_live_blocks();
    if (!collect()) return false;
    plan_.taken = predicates_.getBackedgeTakenCount();
    if (llvm::isa<llvm::SCEVCouldNotCompute>(plan_.taken)) return false;
    if (evolution_.getTypeSizeInBits(plan_.taken->getType()) > 64) return false;
    if (what == PlanFor::ReadsOfFlags) return !plan_.flag_reads.empty();
    if (!llvm::all_of(accesses_, [this](llvm::Instruction* access) { return place(*access); }) ||
        plan_.ranges.size() > most_ranges) {
      plan_.ranges.clear();
      plan_.equal.clear();
    }
    return !plan_.ranges.empty() || !plan_.flag_reads.empty();
  }

 private:
  // Where a branch goes while flags are off, or null if that depends on more.
  static llvm::BasicBlock* settled_successor(llvm::BasicBlock& block) {
    auto* const branch = llvm::dyn_cast<llvm::BranchInst>(block.getTerminator());
    if (branch == nullptr || branch->isUnconditional()) return nullptr;
    auto* const compare = llvm::dyn_cast<llvm::ICmpInst>(branch->getCondition());
    if (compare == nullptr) return nullptr;
    auto* const read = llvm::dyn_cast<llvm::Instruction>(compare->getOperand(0));
    auto* const bound = llvm::dyn_cast<llvm::Constant>(compare->getOperand(1));
    if (read == nullptr || bound == nullptr || as_flag_read(*read) == nullptr) return nullptr;
    llvm::Constant* const outcome = llvm::ConstantFoldCompareInstOperands(
        compare->getPredicate(), llvm::Constant::getNullValue(read->getType()), bound, block.getDataLayout());
    if (outcome == nullptr || !llvm::isa<llvm::ConstantInt>(outcome)) return nullptr;
    return branch->getSuccessor(outcome->isZeroValue() ? 1 : 0);
  }

  // Blocks of the loop that are reached while flags are off.
  void find_live_blocks() {
    llvm::SmallVector<llvm::BasicBlock*> open{loop_.getHeader()};
    while (!open.empty()) {
      llvm::BasicBlock* const block = open.pop_back_val();
      if (!loop_.contains(block) || !live_.insert(block).second) continue;
      if (llvm::BasicBlock* const only = settled_successor(*block)) {
        open.push_back(only);
      } else {
        llvm::append_range(open, llvm::successors(block));
      }
    }
  }

  bool collect() {
    llvm::SmallPtrSet<llvm::Value*, 4> flags;
    for (llvm::BasicBlock* const block : loop_.blocks()) {
      const bool is_live = live_.contains(block);
      if (is_live) plan_.instructions += block->size();
      for (llvm::Instruction& instruction : *block) {
        if (llvm::CallInst* const read = as_flag_read(instruction)) {
          plan_.flag_reads.push_back(read);
          if (is_live) flags.insert(read->getArgOperand(0));
        } else if (!is_live) {
          continue;
        } else if (instruction.isVolatile() && llvm::getLoadStorePointerOperand(&instruction) != nullptr) {
          accesses_.push_back(&instruction);
        } else if (instruction.mayHaveSideEffects()) {
          return false;
        }
      }
    }
    return flags.size() <= most_flags;
  }

  // Puts the access into a range. False: its address is not known in advance.
  bool place(llvm::Instruction& access) {
    llvm::Value* const pointer = llvm::getLoadStorePointerOperand(&access);
    const llvm::SCEV* address = predicates_.getSCEV(pointer);
    std::int64_t step = 0;
    if (!evolution_.isLoopInvariant(address, &loop_)) {
      const auto* recurrence = llvm::dyn_cast<llvm::SCEVAddRecExpr>(address);
      if (recurrence == nullptr) recurrence = predicates_.getAsAddRec(pointer);
      if (recurrence == nullptr || !recurrence->isAffine() || recurrence->getLoop() != &loop_) return false;
      const auto* const constant = llvm::dyn_cast<llvm::SCEVConstant>(recurrence->getStepRecurrence(evolution_));
      if (constant == nullptr || constant->getAPInt().abs().ugt(longest_step)) return false;
      step = constant->getAPInt().getSExtValue();
      address = recurrence->getStart();
    }
    const llvm::SCEV* const base = evolution_.getPointerBase(address);
    const auto* const value = llvm::dyn_cast<llvm::SCEVUnknown>(base);
    if (value == nullptr || (plan_.base != nullptr && plan_.base != value->getValue())) return false;
    plan_.base = value->getValue();
    add(access, evolution_.getMinusSCEV(address, base), step);
    return true;
  }

  // From an index to another, where that is known, unless an addition wraps.
  std::optional<std::int64_t> distance(const llvm::SCEV* from, const llvm::SCEV* to) {
    if (from == to) return 0;
    const auto* const first = llvm::dyn_cast<llvm::SCEVZeroExtendExpr>(from);
    const auto* const second = llvm::dyn_cast<llvm::SCEVZeroExtendExpr>(to);
    if (first == nullptr || second == nullptr) return std::nullopt;
    if (first->getOperand()->getType() != second->getOperand()->getType()) return std::nullopt;
    const auto* const constant =
        llvm::dyn_cast<llvm::SCEVConstant>(evolution_.getMinusSCEV(second->getOperand(), first->getOperand()));
    if (constant == nullptr || constant->getAPInt().abs().ugt(longest_step)) return std::nullopt;
    return constant->getAPInt().getSExtValue();
  }

  void add(llvm::Instruction& access, const llvm::SCEV* offset, std::int64_t step) {
    const llvm::DataLayout& layout = access.getDataLayout();
    const auto size = static_cast<std::int64_t>(layout.getTypeStoreSize(llvm::getLoadStoreType(&access)));
    std::int64_t low = 0;
    const auto* const sum = llvm::dyn_cast<llvm::SCEVAddExpr>(offset);
    const auto* const constant = llvm::dyn_cast<llvm::SCEVConstant>(sum != nullptr ? sum->getOperand(0) : offset);
    if (constant != nullptr) {
      low = constant->getAPInt().getSExtValue();
      offset = evolution_.getMinusSCEV(offset, constant);
    }
    // An unrolled loop's accesses are one range, so that they need not lie apart.
    auto* range = llvm::find_if(plan_.ranges, [&](const AccessRange& other) {
      return other.step == step && distance(other.first, offset).has_value();
    });
    if (range == plan_.ranges.end()) {
      plan_.ranges.push_back({offset, step, low, low + size, false, {}});
      range = &plan_.ranges.back();
    } else if (const std::int64_t further = *distance(range->first, offset); further != 0) {
      const llvm::SCEV* const bytes =
          evolution_.getConstant(offset->getType(), static_cast<std::uint64_t>(further), true);
      plan_.equal.emplace_back(offset, evolution_.getAddExpr(range->first, bytes));
      low += further;
    }
    range->low = std::min(range->low, low);
    range->high = std::max(range->high, low + size);
    range->written |= llvm::isa<llvm::StoreInst>(access);
    range->accesses.push_back({&access, low});
  }

  llvm::Loop& loop_;
  llvm::PredicatedScalarEvolution& predicates_;
  llvm::ScalarEvolution& evolution_;
  LoopPlan& plan_;
  llvm::SmallPtrSet<llvm::BasicBlock*, 8> live_;
  llvm::SmallVector<llvm::Instruction*> accesses_;
};

}  // namespace

bool plan_loop(llvm::Loop& loop, llvm::DominatorTree& dominators, llvm::PredicatedScalarEvolution& predicates,
               PlanFor what, LoopPlan& plan) {
  llvm::BasicBlock* const latch = loop.getLoopLatch();
  if (!loop.isLoopSimplifyForm() || !loop.isLCSSAForm(dominators) || !loop.isSafeToClone()) return false;
  if (latch == nullptr || loop.getExitingBlock() != latch || loop.getExitBlock() == nullptr) return false;
  if (!llvm::isa<llvm::BranchInst>(latch->getTerminator())) return false;
  return Planner(loop, predicates, plan).run(what);
}

}  // namespace shunt::wasm
