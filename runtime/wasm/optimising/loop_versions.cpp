#include "runtime/wasm/optimising/loop_versions.h"

#include <llvm/ADT/STLExtras.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/MDBuilder.h>
#include <llvm/Transforms/Scalar/LoopPassManager.h>
#include <llvm/Transforms/Utils/BasicBlockUtils.h>
#include <llvm/Transforms/Utils/Cloning.h>
#include <llvm/Transforms/Utils/LoopUtils.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <utility>

#include "runtime/wasm/optimising/flag_reads.h"
#include "runtime/wasm/optimising/loop_plan.h"
#include "runtime/wasm/optimising/loop_question.h"

namespace shunt::wasm {
namespace {

// A strip takes some tens of microseconds: short enough for who waits for its end, long enough to begin a vectorised
// loop for it.
constexpr std::uint64_t strip_instructions = 1 << 19;
constexpr std::uint64_t strip_bytes = 1 << 18;                      // of memory, which may not be cached
constexpr std::uint64_t least_strip = 1024, longest_strip = 65536;  // iterations

// Up to so many iterations are one strip.
constexpr unsigned most_short_iterations = 64;

// Of a loop that is the exact version of another.
constexpr const char* exact_mark = "shunt.exact";

bool is_exact(const llvm::Loop& loop) {
  return llvm::getBooleanLoopAttribute(&loop, exact_mark);
}

bool reads_flags(const llvm::Loop& loop) {
  return llvm::any_of(loop.blocks(), [](llvm::BasicBlock* block) {
    return llvm::any_of(*block, [](llvm::Instruction& instruction) { return as_flag_read(instruction) != nullptr; });
  });
}

std::uint64_t strip_iterations(const LoopPlan& plan) {
  std::uint64_t bytes = 1;  // an iteration
  for (const AccessRange& range : plan.ranges) bytes += static_cast<std::uint64_t>(std::abs(range.step));
  const std::uint64_t fits =
      std::min(strip_instructions / std::max<std::uint64_t>(plan.instructions, 1), strip_bytes / bytes);
  return std::bit_floor(std::clamp(fits, least_strip, longest_strip));
}

class Versioner {
 public:
  Versioner(llvm::Loop& loop, llvm::Function& function, llvm::LoopInfo& loops, llvm::ScalarEvolution& evolution,
            llvm::DominatorTree& dominators, LoopPlan& plan, llvm::PredicatedScalarEvolution& predicates)
      : fast_(loop),
        function_(function),
        loops_(loops),
        evolution_(evolution),
        dominators_(dominators),
        plan_(plan),
        question_(function, evolution, plan, predicates),
        word_(llvm::Type::getInt64Ty(function.getContext())) {}

  void run() {
    split_head();
    llvm::Value* const fits = question_.ask(*head_);
    llvm::Value* const count = plan_.flag_reads.empty() ? nullptr : question_.iterations(*head_);
    copy();
    count_iterations();
    if (count == nullptr) {
      enter(head_, fits);
      dominators_.changeImmediateDominator(fast_.getExitBlock(), head_);
    } else {
      strip_mine(fits, count);
    }
    make_plain();
    finish();
  }

  // The whole loop is one strip: that of a loop which is so short that flags need not be read again within it. Keeps
  // every loop in the form that passes over loops want.
  void run_as_one_strip() {
    split_head();
    copy();
    llvm::IRBuilder<> builder(head_);
    mark_strip(builder, StripMark::Begin);
    enter(head_, flags_off(builder));
    mark_end_of_strip(*exact_->getLoopPreheader());
    dominators_.changeImmediateDominator(fast_.getExitBlock(), head_);
    for (llvm::Loop* const loop : {&fast_, exact_}) {
      llvm::formDedicatedExitBlocks(loop, &dominators_, &loops_, nullptr, true);
    }
    mark_end_of_strip(*fast_.getExitBlock());
    finish();
  }

 private:
  struct HeaderPhi {
    llvm::PHINode* phi;       // of the fast loop
    llvm::PHINode* copied;    // of the exact one
    llvm::ConstantInt* step;  // or null
  };

  void split_head() {
    head_ = fast_.getLoopPreheader();
    entry_ = llvm::SplitBlock(head_, head_->getTerminator(), &dominators_, &loops_, nullptr, "fast");
  }

  void finish() {
    exact_->setLoopAlreadyUnrolled();  // it runs rarely: not to be made larger
    llvm::addStringMetadataToLoop(exact_, exact_mark, 1);
    evolution_.forgetLoop(&fast_);
  }

  static void mark_end_of_strip(llvm::BasicBlock& block) {
    llvm::IRBuilder<> builder(&block, block.getFirstInsertionPt());
    mark_strip(builder, StripMark::End);
  }

  // --- the versions ---

  // The exact loop; the loop's values outside of it come from either.
  void copy() {
    llvm::ValueToValueMapTy map;
    llvm::SmallVector<llvm::BasicBlock*> blocks;
    exact_ = llvm::cloneLoopWithPreheader(entry_, head_, &fast_, map, ".exact", &loops_, &dominators_, blocks);
    llvm::remapInstructionsInBlocks(blocks, map);
    for (llvm::PHINode& phi : fast_.getExitBlock()->phis()) {
      llvm::Value* const value = phi.getIncomingValueForBlock(fast_.getLoopLatch());
      const auto copied = map.find(value);
      phi.addIncoming(copied == map.end() ? value : static_cast<llvm::Value*>(copied->second), exact_->getLoopLatch());
    }
    for (llvm::PHINode& phi : fast_.getHeader()->phis()) {
      headers_.push_back({&phi, llvm::cast<llvm::PHINode>(map[&phi]), step_of(phi)});
    }
    head_->getTerminator()->eraseFromParent();
  }

  // `iteration_` counts the fast loop's iterations from 0, `done_` is its value behind one.
  void count_iterations() {
    llvm::BasicBlock* const latch = fast_.getLoopLatch();
    llvm::IRBuilder<> builder(latch->getTerminator());
    iteration_ = llvm::PHINode::Create(word_, 2, "iteration", fast_.getHeader()->begin());
    done_ = builder.CreateAdd(iteration_, builder.getInt64(1), "done", true, true);
    iteration_->addIncoming(builder.getInt64(0), entry_);
    iteration_->addIncoming(done_, latch);
  }

  void enter(llvm::BasicBlock* block, llvm::Value* may_be_fast) {
    llvm::MDNode* const likely = llvm::MDBuilder(function_.getContext()).createLikelyBranchWeights();
    llvm::IRBuilder<>(block).CreateCondBr(may_be_fast, entry_, exact_->getLoopPreheader(), likely);
  }

  // `strip` decides for the iterations that are left, `next` counts down what a strip has done.
  void strip_mine(llvm::Value* fits, llvm::Value* count) {
    llvm::BasicBlock* const latch = fast_.getLoopLatch();
    llvm::BasicBlock* const exit = fast_.getExitBlock();
    auto* const strip = llvm::BasicBlock::Create(function_.getContext(), "strip", &function_, entry_);
    auto* const next = llvm::BasicBlock::Create(function_.getContext(), "strip.next", &function_, exit);
    llvm::IRBuilder<> builder(head_);
    builder.CreateBr(strip);
    builder.SetInsertPoint(strip);
    llvm::PHINode* const left = builder.CreatePHI(word_, 2, "left");
    left->addIncoming(count, head_);
    before_ = builder.CreatePHI(word_, 2, "before");
    before_->addIncoming(builder.getInt64(0), head_);
    carry_state(builder, latch, next);
    mark_strip(builder, StripMark::Begin);
    llvm::Value* const now =
        builder.CreateBinaryIntrinsic(llvm::Intrinsic::umin, left, builder.getInt64(strip_iterations(plan_)));
    enter(strip, builder.CreateAnd(flags_off(builder), fits));
    count_strip(latch, next, now);
    leave_through(next, latch, exit);
    mark_end_of_strip(*exact_->getLoopPreheader());
    builder.SetInsertPoint(next);
    mark_strip(builder, StripMark::End);
    llvm::Value* const rest = builder.CreateNUWSub(left, now, "rest");
    left->addIncoming(rest, next);
    before_->addIncoming(builder.CreateAdd(before_, now, "", true, true), next);
    advance_state(builder, next, now);
    builder.CreateCondBr(builder.CreateICmpEQ(rest, builder.getInt64(0)), exit, strip);
    nest(strip, next);
  }

  // Both loops begin with what the last strip left.
  void carry_state(llvm::IRBuilder<>& builder, llvm::BasicBlock* latch, llvm::BasicBlock* next) {
    for (const auto& [phi, copied, step] : headers_) {
      llvm::PHINode* const state = builder.CreatePHI(phi->getType(), 2, phi->getName() + ".strip");
      state->addIncoming(phi->getIncomingValueForBlock(entry_), head_);
      if (step == nullptr) {
        auto* const out = llvm::PHINode::Create(phi->getType(), 1, phi->getName() + ".out", next);
        out->addIncoming(phi->getIncomingValueForBlock(latch), latch);
        state->addIncoming(out, next);
      }
      phi->setIncomingValueForBlock(entry_, state);
      copied->setIncomingValueForBlock(exact_->getLoopPreheader(), state);
    }
  }

  // What advances by a constant is not taken from the loop, which then need not keep it.
  void advance_state(llvm::IRBuilder<>& builder, llvm::BasicBlock* next, llvm::Value* now) {
    for (const HeaderPhi& header : headers_) {
      if (header.step == nullptr) continue;
      auto* const state = llvm::cast<llvm::PHINode>(header.phi->getIncomingValueForBlock(entry_));
      llvm::Value* const times = builder.CreateZExtOrTrunc(now, state->getType());
      state->addIncoming(builder.CreateAdd(state, builder.CreateMul(times, header.step)), next);
    }
  }

  // The constant by which an iteration advances it, or null.
  llvm::ConstantInt* step_of(llvm::PHINode& phi) {
    if (!phi.getType()->isIntegerTy()) return nullptr;
    const auto* const recurrence = llvm::dyn_cast<llvm::SCEVAddRecExpr>(evolution_.getSCEV(&phi));
    if (recurrence == nullptr || !recurrence->isAffine() || recurrence->getLoop() != &fast_) return nullptr;
    const auto* const step = llvm::dyn_cast<llvm::SCEVConstant>(recurrence->getStepRecurrence(evolution_));
    return step != nullptr ? step->getValue() : nullptr;
  }

  // Reads each flag once; the fast loop's own reads go.
  llvm::Value* flags_off(llvm::IRBuilder<>& builder) {
    llvm::Value* off = builder.getTrue();
    llvm::SmallPtrSet<llvm::Value*, 4> asked;
    for (llvm::CallInst* const read : plan_.flag_reads) {
      llvm::Constant* const zero = llvm::Constant::getNullValue(read->getType());
      if (asked.insert(read->getArgOperand(0)).second) {
        auto* const ahead = builder.Insert(llvm::cast<llvm::CallInst>(read->clone()));
        llvm::Value* const bits =
            builder.CreateBitCast(ahead, builder.getIntNTy(read->getType()->getScalarSizeInBits()));
        off = builder.CreateAnd(off, builder.CreateIsNull(bits));
      }
      read->replaceAllUsesWith(zero);
      read->eraseFromParent();
    }
    return off;
  }

  // The count decides when the fast loop ends: what decided before is the same for the last strip, and false before.
  void count_strip(llvm::BasicBlock* latch, llvm::BasicBlock* next, llvm::Value* now) {
    auto* const before = llvm::cast<llvm::BranchInst>(latch->getTerminator());
    llvm::IRBuilder<> builder(before);
    llvm::BranchInst* const branch = builder.CreateCondBr(builder.CreateICmpEQ(done_, now), next, fast_.getHeader());
    branch->copyMetadata(*before, {llvm::LLVMContext::MD_loop});
    before->eraseFromParent();
  }

  // The values that the loop leaves behind take the way through `next`.
  void leave_through(llvm::BasicBlock* next, llvm::BasicBlock* latch, llvm::BasicBlock* exit) {
    for (llvm::PHINode& phi : exit->phis()) {
      llvm::Value* value = phi.getIncomingValueForBlock(latch);
      if (auto* const inside = llvm::dyn_cast<llvm::Instruction>(value); inside != nullptr && fast_.contains(inside)) {
        auto* const out = llvm::PHINode::Create(value->getType(), 1, "out", next->begin());
        out->addIncoming(value, latch);
        value = out;
      }
      phi.replaceIncomingBlockWith(latch, next);
      phi.setIncomingValueForBlock(next, value);
    }
  }

  // The strips are a loop around the fast one.
  void nest(llvm::BasicBlock* strip, llvm::BasicBlock* next) {
    dominators_.recalculate(function_);
    llvm::Loop* const outer = loops_.AllocateLoop();
    if (llvm::Loop* const parent = fast_.getParentLoop()) {
      parent->replaceChildLoopWith(&fast_, outer);
      loops_.removeBlock(entry_);  // it was put into the parent when it was split off
    } else {
      loops_.changeTopLevelLoop(&fast_, outer);
    }
    outer->addChildLoop(&fast_);
    outer->addBasicBlockToLoop(strip, loops_);
    outer->addBasicBlockToLoop(entry_, loops_);
    for (llvm::BasicBlock* const block : fast_.blocks()) outer->addBlockEntry(block);
    outer->addBasicBlockToLoop(next, loops_);
    outer->moveToHeader(strip);
  }

  // The fast loop's accesses lie inside the memory, and ranges that are written lie apart.
  void make_plain() {
    llvm::LLVMContext& context = function_.getContext();
    llvm::MDBuilder metadata(context);
    llvm::MDNode* const domain = metadata.createAnonymousAliasScopeDomain("guest memory");
    llvm::SmallVector<llvm::Metadata*> scopes;
    for (std::size_t i = 0; i < plan_.ranges.size(); ++i) {
      scopes.push_back(metadata.createAnonymousAliasScope(domain, "range"));
    }
    for (std::size_t i = 0; i < plan_.ranges.size(); ++i) {
      llvm::SmallVector<llvm::Metadata*> others;
      for (std::size_t j = 0; j < scopes.size(); ++j) {
        if (j != i && (plan_.ranges[i].written || plan_.ranges[j].written)) others.push_back(scopes[j]);
      }
      llvm::Value* const begin = range_begin(i);
      for (const PlannedAccess& access : plan_.ranges[i].accesses) {
        make_plain(access, begin, plan_.ranges[i].step);
        add(*access.instruction, llvm::LLVMContext::MD_alias_scope, {scopes[i]});
        add(*access.instruction, llvm::LLVMContext::MD_noalias, others);
      }
    }
  }

  // Where the range's accesses without their constants are when the fast loop begins.
  llvm::Value* range_begin(std::size_t range) {
    llvm::IRBuilder<> builder(entry_->getTerminator());
    llvm::Value* offset = question_.firsts()[range];
    if (before_ != nullptr) {
      llvm::Value* const way = builder.CreateMul(before_, constant_word(plan_.ranges[range].step), "", false, true);
      offset = builder.CreateAdd(offset, way, "", false, true);
    }
    return builder.CreatePtrAdd(plan_.base, offset);
  }

  // Its address in a form that says what is known: nothing in it wraps.
  void make_plain(const PlannedAccess& access, llvm::Value* begin, std::int64_t step) {
    llvm::IRBuilder<> builder(access.instruction);
    llvm::Value* const way = builder.CreateMul(iteration_, constant_word(step), "", false, true);
    llvm::Value* const place = builder.CreatePtrAdd(builder.CreatePtrAdd(begin, way), constant_word(access.constant));
    if (auto* const load = llvm::dyn_cast<llvm::LoadInst>(access.instruction)) {
      load->setVolatile(false);
      load->setOperand(llvm::LoadInst::getPointerOperandIndex(), place);
    } else {
      auto* const store = llvm::cast<llvm::StoreInst>(access.instruction);
      store->setVolatile(false);
      store->setOperand(llvm::StoreInst::getPointerOperandIndex(), place);
    }
  }

  llvm::Constant* constant_word(std::int64_t value) {
    return llvm::ConstantInt::get(word_, static_cast<std::uint64_t>(value), true);
  }

  static void add(llvm::Instruction& access, unsigned kind, llvm::ArrayRef<llvm::Metadata*> nodes) {
    if (nodes.empty()) return;
    llvm::MDNode* const more = llvm::MDNode::get(access.getContext(), nodes);
    access.setMetadata(kind, llvm::MDNode::concatenate(access.getMetadata(kind), more));
  }

  llvm::Loop& fast_;
  llvm::Loop* exact_ = nullptr;
  llvm::BasicBlock* head_ = nullptr;
  llvm::BasicBlock* entry_ = nullptr;  // of the fast loop: its preheader
  llvm::SmallVector<HeaderPhi> headers_;
  llvm::PHINode* iteration_ = nullptr;
  llvm::Value* done_ = nullptr;
  llvm::PHINode* before_ = nullptr;  // iterations of earlier strips
  llvm::Function& function_;
  llvm::LoopInfo& loops_;
  llvm::ScalarEvolution& evolution_;
  llvm::DominatorTree& dominators_;
  LoopPlan& plan_;
  LoopQuestion question_;
  llvm::Type* word_;
};

}  // namespace

llvm::PreservedAnalyses LoopVersionsPass::run(llvm::Function& function, llvm::FunctionAnalysisManager& analyses) {
  llvm::LoopInfo& loops = analyses.getResult<llvm::LoopAnalysis>(function);
  llvm::ScalarEvolution& evolution = analyses.getResult<llvm::ScalarEvolutionAnalysis>(function);
  llvm::DominatorTree& dominators = analyses.getResult<llvm::DominatorTreeAnalysis>(function);
  bool changed = false;
  for (llvm::Loop* const loop : loops.getLoopsInPreorder()) {
    if (!loop->isInnermost() || is_exact(*loop)) continue;
    LoopPlan plan;
    llvm::PredicatedScalarEvolution predicates(evolution, *loop);
    if (!plan_loop(*loop, dominators, predicates, PlanFor::ReadsAndExactAccesses, plan)) continue;
    Versioner(*loop, function, loops, evolution, dominators, plan, predicates).run();
    changed = true;
  }
  return changed ? llvm::PreservedAnalyses::none() : llvm::PreservedAnalyses::all();
}

llvm::PreservedAnalyses ShortLoopVersionsPass::run(llvm::Loop& loop, llvm::LoopAnalysisManager&,
                                                   llvm::LoopStandardAnalysisResults& analyses, llvm::LPMUpdater&) {
  if (!loop.isInnermost() || is_exact(loop) || !reads_flags(loop)) return llvm::PreservedAnalyses::all();
  const unsigned iterations = analyses.SE.getSmallConstantMaxTripCount(&loop);  // 0: not known
  if (iterations == 0 || iterations > most_short_iterations) return llvm::PreservedAnalyses::all();
  LoopPlan plan;
  llvm::PredicatedScalarEvolution predicates(analyses.SE, loop);
  if (!plan_loop(loop, analyses.DT, predicates, PlanFor::ReadsOfFlags, plan)) return llvm::PreservedAnalyses::all();
  llvm::Function& function = *loop.getHeader()->getParent();
  Versioner versioner(loop, function, analyses.LI, analyses.SE, analyses.DT, plan, predicates);
  versioner.run_as_one_strip();  // the updater is not told: the exact loop is nothing for the passes that follow
  return llvm::getLoopPassPreservedAnalyses();
}

}  // namespace shunt::wasm
