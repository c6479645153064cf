// An LLJIT for an engine.
#include <llvm/ExecutionEngine/Orc/CompileUtils.h>
#include <llvm/ExecutionEngine/Orc/Debugging/DebuggerSupport.h>
#include <llvm/ExecutionEngine/Orc/Debugging/PerfSupportPlugin.h>
#include <llvm/ExecutionEngine/Orc/IRCompileLayer.h>
#include <llvm/Support/SmallVectorMemoryBuffer.h>

#include <utility>

#include "engine/codegen/orc/llvm_versions.h"
#include "engine/codegen/orc/target.h"
#include "shunt/codegen/orc.h"

namespace shunt::orc {
namespace {

llvm::Expected<std::unique_ptr<llvm::orc::ObjectLayer>> make_layer(llvm::orc::ExecutionSession& session, Engine& engine,
                                                                   bool unwinding) {
  auto memory = std::make_unique<CodeMemoryManager>(engine);
  const auto sites = std::make_shared<SitePlugin>(*memory);
  auto layer = std::make_unique<llvm::orc::ObjectLinkingLayer>(session, std::move(memory));
  layer->addPlugin(sites);
  if (unwinding) {
    auto plugin = make_unwinding_plugin(session);
    if (!plugin) return plugin.takeError();
    layer->addPlugin(std::move(*plugin));
  }
  return layer;
}

class DetouringCompiler final : public llvm::orc::IRCompileLayer::IRCompiler {
 public:
  DetouringCompiler(llvm::orc::JITTargetMachineBuilder machine, LateDetours detours)
      : IRCompiler(llvm::orc::irManglingOptionsFromTargetOptions(machine.getOptions())),
        machine_(std::move(machine)),
        detours_(std::move(detours)) {}

  llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> operator()(llvm::Module& module) override {
    llvm::orc::JITTargetMachineBuilder builder = machine_;  // ORC may call from several threads
    auto machine = builder.createTargetMachine();
    if (!machine) return machine.takeError();
    auto object = generate_object(module, **machine, detours_);
    if (!object) return object.takeError();
    return std::make_unique<llvm::SmallVectorMemoryBuffer>(std::move(*object), module.getModuleIdentifier(), false);
  }

 private:
  llvm::orc::JITTargetMachineBuilder machine_;
  LateDetours detours_;
};

llvm::Error add_perf(llvm::orc::LLJIT& jit) {
  const auto process = jit.getProcessSymbolsJITDylib();
  if (process == nullptr) {
    return to_llvm(make_error(ErrorCode::InvalidArgument,
                              "JitOptions::perf needs the process's symbols; let the builder link them by default"));
  }
  auto plugin =
      llvm::orc::PerfSupportPlugin::Create(jit.getExecutionSession().getExecutorProcessControl(), *process, true, true);
  if (!plugin) return plugin.takeError();
  static_cast<llvm::orc::ObjectLinkingLayer&>(jit.getObjLinkingLayer()).addPlugin(std::move(*plugin));
  return llvm::Error::success();
}

}  // namespace

llvm::Expected<llvm::orc::JITTargetMachineBuilder> target_machine_builder() {
  initialise_target();
  auto builder = llvm::orc::JITTargetMachineBuilder::detectHost();
  if (!builder) return builder;
  builder->setCodeModel(llvm::CodeModel::Small);
  builder->setRelocationModel(llvm::Reloc::PIC_);
  builder->getOptions().FunctionSections = true;
  return builder;
}

llvm::Expected<std::unique_ptr<llvm::orc::LLJIT>> make_jit(Engine& engine, const JitOptions& options,
                                                           llvm::orc::LLJITBuilder builder) {
  if (!builder.getJITTargetMachineBuilder()) {
    auto machine = target_machine_builder();
    if (!machine) return machine.takeError();
    builder.setJITTargetMachineBuilder(std::move(*machine));
  }
  set_layer_maker(builder, [&engine, unwinding = options.unwinding](llvm::orc::ExecutionSession& session) {
    return make_layer(session, engine, unwinding);
  });
  if (options.detours) {
    builder.setCompileFunctionCreator([&](llvm::orc::JITTargetMachineBuilder machine) {
      return llvm::Expected<std::unique_ptr<llvm::orc::IRCompileLayer::IRCompiler>>(
          std::make_unique<DetouringCompiler>(std::move(machine), *options.detours));
    });
  }
  auto jit = builder.create();
  if (!jit) return jit;
  if (options.gdb) {
    if (llvm::Error error = llvm::orc::enableDebuggerSupport(**jit)) return error;
  }
  if (options.perf) {
    if (llvm::Error error = add_perf(**jit)) return error;
  }
  return jit;
}

void set_target(llvm::Module& module, const llvm::orc::LLJIT& jit) {
  set_triple(module, jit.getTargetTriple());
  module.setDataLayout(jit.getDataLayout());
}

}  // namespace shunt::orc
