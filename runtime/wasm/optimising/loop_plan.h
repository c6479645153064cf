// What is known of an innermost loop before it runs: how often it will, which bytes it will touch, which flags it
// reads.
#pragma once

#include <llvm/ADT/SmallPtrSet.h>
#include <llvm/ADT/SmallVector.h>
#include <llvm/Analysis/LoopInfo.h>
#include <llvm/Analysis/ScalarEvolution.h>
#include <llvm/Analysis/ScalarEvolutionExpressions.h>
#include <llvm/IR/Dominators.h>
#include <llvm/IR/Instructions.h>

#include <cstdint>
#include <utility>

namespace shunt::wasm {

struct PlannedAccess {
  llvm::Instruction* instruction;
  std::int64_t constant;  // it touches bytes from first + constant on
};

// Accesses whose addresses differ by constants alone, in every iteration. In the first they touch bytes
// [first + low, first + high) of the memory, and `step` bytes further in each that follows.
struct AccessRange {
  const llvm::SCEV* first;
  std::int64_t step;
  std::int64_t low, high;
  bool written;
  llvm::SmallVector<PlannedAccess> accesses;
};

struct LoopPlan {
  llvm::Value* base = nullptr;            // of the memory, if there are ranges
  const llvm::SCEV* taken = nullptr;      // how often the loop goes back to its header
  llvm::SmallVector<AccessRange> ranges;  // empty, or every access of the fast version
  // What the ranges rely on beside the predicates: each two are the same number.
  llvm::SmallVector<std::pair<const llvm::SCEV*, const llvm::SCEV*>> equal;
  llvm::SmallVector<llvm::CallInst*> flag_reads;  // that the fast version does without
  std::uint64_t instructions = 0;                 // of an iteration of the fast version, about
};

// What a fast version may do without.
enum class PlanFor : std::uint8_t { ReadsOfFlags, ReadsAndExactAccesses };

// Whether the loop has a fast version that is worth it. `predicates` gathers what has to be true at run time as well
// (that addresses do not wrap); it is of that loop.
bool plan_loop(llvm::Loop& loop, llvm::DominatorTree& dominators, llvm::PredicatedScalarEvolution& predicates,
               PlanFor what, LoopPlan& plan);

// Iterations up to which every address of a plan can be computed in 64 bits without overflow.
inline constexpr std::uint64_t most_iterations = std::uint64_t{1} << 33;

}  // namespace shunt::wasm
