// Where LLVM 19 to 22 differ.
#pragma once

#include <llvm/Config/llvm-config.h>
#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/ExecutionEngine/Orc/ObjectLinkingLayer.h>
#include <llvm/IR/Module.h>
#include <llvm/TargetParser/Triple.h>

#include <functional>
#include <memory>
#include <utility>

#if LLVM_VERSION_MAJOR >= 21
#include <llvm/ExecutionEngine/Orc/EHFrameRegistrationPlugin.h>
#else
#include <llvm/ExecutionEngine/JITLink/EHFrameSupport.h>
#endif

namespace shunt::orc {

using LayerMaker = std::function<llvm::Expected<std::unique_ptr<llvm::orc::ObjectLayer>>(llvm::orc::ExecutionSession&)>;

#if LLVM_VERSION_MAJOR >= 21

inline llvm::Expected<std::shared_ptr<llvm::orc::ObjectLinkingLayer::Plugin>> make_unwinding_plugin(
    llvm::orc::ExecutionSession& session) {
  auto plugin = llvm::orc::EHFrameRegistrationPlugin::Create(session);
  if (!plugin) return plugin.takeError();
  return std::shared_ptr<llvm::orc::ObjectLinkingLayer::Plugin>(std::move(*plugin));
}

inline void set_layer_maker(llvm::orc::LLJITBuilder& builder, LayerMaker make) {
  builder.setObjectLinkingLayerCreator(std::move(make));
}

inline void set_triple(llvm::Module& module, const llvm::Triple& triple) {
  module.setTargetTriple(triple);
}

#else

inline llvm::Expected<std::shared_ptr<llvm::orc::ObjectLinkingLayer::Plugin>> make_unwinding_plugin(
    llvm::orc::ExecutionSession& session) {
  return std::make_shared<llvm::orc::EHFrameRegistrationPlugin>(
      session, std::make_unique<llvm::jitlink::InProcessEHFrameRegistrar>());
}

inline void set_layer_maker(llvm::orc::LLJITBuilder& builder, LayerMaker make) {
  builder.setObjectLinkingLayerCreator(
      [make = std::move(make)](llvm::orc::ExecutionSession& session, const llvm::Triple&) { return make(session); });
}

inline void set_triple(llvm::Module& module, const llvm::Triple& triple) {
  module.setTargetTriple(triple.str());
}

#endif

}  // namespace shunt::orc
