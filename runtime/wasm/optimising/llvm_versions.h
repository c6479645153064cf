// Where LLVM 19 to 22 differ.
#pragma once

#include <llvm/Config/llvm-config.h>
#include <llvm/ExecutionEngine/JITLink/JITLink.h>
#include <llvm/IR/Attributes.h>
#include <llvm/IR/Function.h>
#include <llvm/IR/Module.h>
#include <llvm/TargetParser/Triple.h>
#include <llvm/Transforms/Utils/ScalarEvolutionExpander.h>

#include <memory>

namespace shunt::wasm {

#if LLVM_VERSION_MAJOR >= 21

inline void set_triple(llvm::Module& module, const llvm::Triple& triple) {
  module.setTargetTriple(triple);
}
inline llvm::Expected<std::unique_ptr<llvm::jitlink::LinkGraph>> make_link_graph(llvm::MemoryBufferRef object) {
  return llvm::jitlink::createLinkGraphFromObject(object, std::make_shared<llvm::orc::SymbolStringPool>());
}
inline llvm::StringRef name_of(const llvm::orc::SymbolStringPtr& name) {
  return *name;
}
inline llvm::StringRef name_of(const llvm::jitlink::Symbol& symbol) {
  return *symbol.getName();
}
inline llvm::SCEVExpander make_expander(llvm::ScalarEvolution& evolution, const llvm::Function&, const char* name) {
  return llvm::SCEVExpander(evolution, name);
}
inline llvm::Attribute not_captured(llvm::LLVMContext& context) {
  return llvm::Attribute::getWithCaptureInfo(context, llvm::CaptureInfo::none());
}

#else

inline void set_triple(llvm::Module& module, const llvm::Triple& triple) {
  module.setTargetTriple(triple.str());
}
inline llvm::Expected<std::unique_ptr<llvm::jitlink::LinkGraph>> make_link_graph(llvm::MemoryBufferRef object) {
  return llvm::jitlink::createLinkGraphFromObject(object);
}
inline llvm::StringRef name_of(llvm::StringRef name) {
  return name;
}
inline llvm::StringRef name_of(const llvm::jitlink::Symbol& symbol) {
  return symbol.getName();
}
inline llvm::SCEVExpander make_expander(llvm::ScalarEvolution& evolution, const llvm::Function& function,
                                        const char* name) {
  return llvm::SCEVExpander(evolution, function.getDataLayout(), name);
}
inline llvm::Attribute not_captured(llvm::LLVMContext& context) {
  return llvm::Attribute::get(context, llvm::Attribute::NoCapture);
}

#endif

}  // namespace shunt::wasm
