// Detours that are put in when nothing is left to be done but encoding.
#include <llvm/ADT/DenseSet.h>
#include <llvm/ADT/STLExtras.h>
#include <llvm/ADT/SmallVector.h>
#include <llvm/CodeGen/MachineFunctionPass.h>
#include <llvm/CodeGen/MachineInstrBuilder.h>
#include <llvm/CodeGen/Passes.h>
#include <llvm/CodeGen/TargetInstrInfo.h>
#include <llvm/CodeGen/TargetSubtargetInfo.h>
#include <llvm/IR/Function.h>
#include <llvm/IR/InlineAsm.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Module.h>
#include <llvm/Target/TargetMachine.h>

#include <cstdint>
#include <iterator>
#include <string>
#include <utility>

#include "engine/codegen/orc/site_text.h"
#include "shunt/codegen/orc.h"

namespace shunt::orc {
namespace {

constexpr const char* wanted_attribute = "shunt-detours";

using Blocks = llvm::DenseSet<llvm::MachineBasicBlock*>;

struct BackEdge {
  llvm::MachineBasicBlock* from;
  llvm::MachineBasicBlock* head;
};

// The edges to blocks that a depth-first walk is still in: each cycle has one, whether it is a natural loop or not.
llvm::SmallVector<BackEdge> back_edges(llvm::MachineFunction& function) {
  llvm::SmallVector<BackEdge> edges;
  struct Visit {
    llvm::MachineBasicBlock* block;
    llvm::MachineBasicBlock::succ_iterator next;
  };
  llvm::SmallVector<Visit> path;
  Blocks seen, open;
  const auto enter = [&](llvm::MachineBasicBlock& block) {
    seen.insert(&block);
    open.insert(&block);
    path.push_back({&block, block.succ_begin()});
  };
  enter(function.front());
  while (!path.empty()) {
    Visit& visit = path.back();
    if (visit.next == visit.block->succ_end()) {
      open.erase(visit.block);
      path.pop_back();
      continue;
    }
    llvm::MachineBasicBlock* const successor = *visit.next++;
    if (open.contains(successor)) {
      edges.push_back({visit.block, successor});
    } else if (!seen.contains(successor)) {
      enter(*successor);
    }
  }
  return edges;
}

struct Place {
  llvm::MachineBasicBlock* block;
  llvm::MachineBasicBlock::iterator before;
};

// Of one function.
class Placement {
 public:
  Placement(llvm::MachineFunction& function, const LateDetours& detours) : function_(function) {
    for (const llvm::WeakVH& handle : detours.without) {
      if (!handle) continue;
      const auto* const block = llvm::cast<llvm::BasicBlock>(static_cast<llvm::Value*>(handle));
      if (block->getParent() == &function.getFunction()) without_.insert(block);
    }
  }

  // Each cycle has a back edge. So every way around that is not all `without` passes a place.
  llvm::SmallVector<Place> places() {
    const llvm::SmallVector<BackEdge> edges = back_edges(function_);
    // A loop's edge comes before those of the loops around it, which mostly pass through it.
    for (const BackEdge& edge : edges) {
      if (allows(*edge.head) && (visits_ >= most_visits || is_open(edge))) place(*edge.head);
    }
    // What is left begins in a block that goes without. (Code generation makes loops with two entries, too.)
    for (const BackEdge& edge : edges) {
      if (allows(*edge.head)) continue;
      while (llvm::MachineBasicBlock* const block = first_allowed(edge)) place(*block);
    }
    if (calls()) found_.push_back(behind_prologue());
    return std::move(found_);
  }

 private:
  // Blocks that code generation made of edges belong to what they lead through.
  bool allows(const llvm::MachineBasicBlock& block) const {
    if (without_.empty()) return true;
    return block.getBasicBlock() != nullptr && !without_.contains(block.getBasicBlock());
  }
  void place(llvm::MachineBasicBlock& block) {
    if (placed_.insert(&block).second) found_.push_back({&block, block.begin()});
  }

  enum class Direction : std::uint8_t { Forward, Backward };
  // What is reached from a block without passing a detour, both ends included, as far as `last`.
  Blocks reach(llvm::MachineBasicBlock* first, llvm::MachineBasicBlock* last, Direction direction) {
    Blocks seen;
    llvm::SmallVector<llvm::MachineBasicBlock*> open{first};
    while (!open.empty()) {
      llvm::MachineBasicBlock* const block = open.pop_back_val();
      if (placed_.contains(block) || !seen.insert(block).second || block == last) continue;
      ++visits_;
      if (direction == Direction::Forward) {
        open.append(block->succ_begin(), block->succ_end());
      } else {
        open.append(block->pred_begin(), block->pred_end());
      }
    }
    return seen;
  }
  bool is_open(const BackEdge& edge) { return reach(edge.from, edge.head, Direction::Backward).contains(edge.head); }
  // The first block, in layout, that may have a detour on a way from the head to the edge that has none.
  llvm::MachineBasicBlock* first_allowed(const BackEdge& edge) {
    const Blocks back = reach(edge.from, edge.head, Direction::Backward);
    if (!back.contains(edge.head)) return nullptr;
    const Blocks forth = reach(edge.head, edge.from, Direction::Forward);
    const auto found = llvm::find_if(function_, [&](llvm::MachineBasicBlock& block) {
      return back.contains(&block) && forth.contains(&block) && allows(block);
    });
    return found == function_.end() ? nullptr : &*found;
  }
  bool calls() const {
    for (const llvm::MachineBasicBlock& block : function_) {
      for (const llvm::MachineInstr& instruction : block) {
        if (instruction.isCall()) return true;
      }
    }
    return false;
  }
  Place behind_prologue() {
    Place place{&function_.front(), function_.front().begin()};
    for (auto at = place.before; at != place.block->end() && !at->isCall(); ++at) {
      if (at->getFlag(llvm::MachineInstr::FrameSetup)) place.before = std::next(at);
    }
    return place;
  }

  static constexpr std::size_t most_visits = 1 << 22;  // of blocks: some ten milliseconds; then each head has a detour

  llvm::MachineFunction& function_;
  llvm::DenseSet<const llvm::BasicBlock*> without_;
  Blocks placed_;
  llvm::SmallVector<Place> found_;
  std::size_t visits_ = 0;
};

class LateDetoursPass final : public llvm::MachineFunctionPass {
 public:
  static char ID;  // NOLINT(readability-identifier-naming): LLVM's
  explicit LateDetoursPass(const LateDetours& detours) : MachineFunctionPass(ID), detours_(detours) {}

  [[nodiscard]] llvm::StringRef getPassName() const override { return "shunt: detours"; }
  bool runOnMachineFunction(llvm::MachineFunction& function) override {
    if (detours_.key == nullptr || !function.getFunction().hasFnAttribute(wanted_attribute)) return false;
    const std::string text = detour(site_instructions(function.getTarget().getTargetTriple()), *detours_.key,
                                    SiteForm::AlignedWord, std::to_string(detours_.entry));
    const char* const kept = function.createExternalSymbolName(text);
    const auto places = Placement(function, detours_).places();
    for (const Place& place : places) insert(place, kept);
    return !places.empty();
  }

 private:
  static void insert(const Place& place, const char* text) {
    llvm::MachineBasicBlock& block = *place.block;
    const llvm::TargetInstrInfo& instructions = *block.getParent()->getSubtarget().getInstrInfo();
    constexpr unsigned effects =
        llvm::InlineAsm::Extra_HasSideEffects | llvm::InlineAsm::Extra_MayLoad | llvm::InlineAsm::Extra_MayStore;
    llvm::BuildMI(block, place.before, block.findDebugLoc(place.before),
                  instructions.get(llvm::TargetOpcode::INLINEASM))
        .addExternalSymbol(text)
        .addImm(effects);
  }

  const LateDetours& detours_;
};

char LateDetoursPass::ID = 0;

// Puts the pass behind the one that places blocks: what follows knows instructions' sizes and must count detours.
class DetouringPassManager final : public llvm::legacy::PassManager {
 public:
  DetouringPassManager(const LateDetours& detours, const llvm::TargetMachine& machine)
      : detours_(detours),
        behind_(machine.getOptLevel() == llvm::CodeGenOptLevel::None ? &llvm::PrologEpilogCodeInserterID
                                                                     : &llvm::MachineBlockPlacementID) {}

  void add(llvm::Pass* pass) override {
    const bool last = pass->getPassID() == behind_;
    PassManager::add(pass);
    if (!last) return;
    PassManager::add(new LateDetoursPass(detours_));  // NOLINT(cppcoreguidelines-owning-memory): the manager owns it
    complete_ = true;
  }
  [[nodiscard]] bool complete() const { return complete_; }

 private:
  const LateDetours& detours_;
  llvm::AnalysisID behind_;
  bool complete_ = false;
};

}  // namespace

void want_detours(llvm::Function& function) {
  function.addFnAttr(wanted_attribute);
}

llvm::Expected<llvm::SmallVector<char, 0>> generate_object(llvm::Module& module, llvm::TargetMachine& machine,
                                                           const LateDetours& detours) {
  llvm::SmallVector<char, 0> object;
  llvm::raw_svector_ostream out(object);
  DetouringPassManager passes(detours, machine);
  llvm::MCContext* context = nullptr;
  if (machine.addPassesToEmitMC(passes, context, out)) {
    return to_llvm(make_error(ErrorCode::Unsupported, "LLVM cannot write objects for this processor"));
  }
  if (detours.key != nullptr && !passes.complete()) {
    return to_llvm(make_error(ErrorCode::Unsupported,
                              "this LLVM has no pass that places blocks for this processor: there is no place for "
                              "detours; build with one of LLVM 19 to 22"));
  }
  passes.run(module);
  return object;
}

}  // namespace shunt::orc
