#include "runtime/wasm/optimising/pipeline.h"

#include <llvm/Analysis/TargetTransformInfo.h>
#include <llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Transforms/Scalar/EarlyCSE.h>
#include <llvm/Transforms/Scalar/GVN.h>
#include <llvm/Transforms/Scalar/LICM.h>
#include <llvm/Transforms/Scalar/LoopPassManager.h>
#include <llvm/Transforms/Scalar/SimplifyCFG.h>
#include <llvm/Transforms/Utils/LCSSA.h>
#include <llvm/Transforms/Utils/LoopSimplify.h>

#include "runtime/wasm/optimising/detour_sites.h"
#include "runtime/wasm/optimising/exact_loads.h"
#include "runtime/wasm/optimising/flag_sites.h"
#include "runtime/wasm/optimising/loop_versions.h"
#include "runtime/wasm/optimising/target.h"
#include "shunt/codegen/orc.h"

namespace shunt::wasm {
namespace {

// Of code. Functions begin at lines, so that what is in one does not move the loops of another.
constexpr std::uint64_t line = 64;

bool prepare_llvm() {
  initialise_target();
  return true;
}

// Loops as the versions want them; afterwards what their plain accesses allow.
llvm::FunctionPassManager version_loops() {
  llvm::FunctionPassManager passes;
  passes.addPass(llvm::LoopSimplifyPass());
  passes.addPass(llvm::LCSSAPass());
  passes.addPass(LoopVersionsPass());
  passes.addPass(llvm::EarlyCSEPass(true));  // flags that are off decide branches,
  passes.addPass(llvm::SimplifyCFGPass());   // whose arms go
  llvm::LoopPassManager loops;
  loops.addPass(llvm::LICMPass(llvm::LICMOptions()));
  passes.addPass(llvm::createFunctionToLoopPassAdaptor(std::move(loops), true));
  return passes;
}

}  // namespace

Result<std::unique_ptr<llvm::TargetMachine>> make_target_machine() {
  [[maybe_unused]] static const bool prepared = prepare_llvm();  // once; the language makes it thread-safe
  llvm::Expected<llvm::orc::JITTargetMachineBuilder> builder = llvm::orc::JITTargetMachineBuilder::detectHost();
  if (!builder) return orc::from_llvm(builder.takeError(), ErrorCode::Unsupported);
  builder->setCodeModel(llvm::CodeModel::Small);
  builder->setRelocationModel(llvm::Reloc::PIC_);
  builder->getOptions().LoopAlignment = loop_alignment;
  builder->setCodeGenOptLevel(llvm::CodeGenOptLevel::Aggressive);
  llvm::Expected<std::unique_ptr<llvm::TargetMachine>> machine = builder->createTargetMachine();
  if (!machine) return orc::from_llvm(machine.takeError(), ErrorCode::Unsupported);
  return std::move(*machine);
}

std::vector<llvm::WeakVH> optimise(llvm::Module& ir, llvm::TargetMachine& machine, const ModuleData& module,
                                   const OptimisingOptions& options) {
  std::vector<llvm::WeakVH> within_strips;
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager sccs;
  llvm::ModuleAnalysisManager modules;
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = true;
  tuning.SLPVectorization = true;
  tuning.LoopUnrolling = true;
  tuning.LoopInterleaving = true;
  llvm::PassBuilder builder(&machine, tuning);
  functions.registerPass([&] { return machine.getTargetIRAnalysis(); });
  builder.registerLateLoopOptimizationsEPCallback(
      [](llvm::LoopPassManager& passes, llvm::OptimizationLevel) { passes.addPass(ShortLoopVersionsPass()); });
  builder.registerVectorizerStartEPCallback(
      [](llvm::FunctionPassManager& passes, llvm::OptimizationLevel) { passes.addPass(version_loops()); });
  builder.registerOptimizerLastEPCallback([&](llvm::ModulePassManager& passes, auto...) {
    llvm::FunctionPassManager late;
    late.addPass(FlagSitesPass(module, options.flag_imports, options.assumptions));
    late.addPass(llvm::SimplifyCFGPass());
    late.addPass(ExactLoadsPass());
    late.addPass(DetourSitesPass(within_strips));
    passes.addPass(llvm::createModuleToFunctionPassAdaptor(std::move(late)));
  });
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(sccs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, sccs, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O3).run(ir, modules);
  for (llvm::Function& function : ir) {
    // LLVM 20 and later find functions cold by themselves, and such would have a section of code of their own.
    function.removeFnAttr(llvm::Attribute::Cold);
    if (function.getSubprogram() != nullptr) function.setAlignment(llvm::Align(line));
  }
  return within_strips;
}

}  // namespace shunt::wasm
