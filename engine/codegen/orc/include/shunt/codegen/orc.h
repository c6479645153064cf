// Patch sites in code that LLVM generates and JITLink links, in the engine's code memory.
//
//   shunt::orc::CodeMemoryManager memory(engine);                          the linker's memory manager
//   shunt::orc::emit_branch(builder, key, form, off, on);                  in IR: one instruction
//   llvm::orc::ObjectLinkingLayer layer(session, memory);
//   layer.addPlugin(std::make_shared<shunt::orc::SitePlugin>(memory));     registers what was emitted
//
// Without an ExecutionSession, a JITLinkContext of one's own calls add_site_passes() from modifyPassConfig().
//
// Each site leaves a record in the object's section "shunt_sites" (site_record.h). The passes read the records once
// addresses are known; the memory manager publishes code and sites together, so that each site has its key's state
// before anybody can run it. When the memory is deallocated, by a ResourceTracker for example, the code is retired: its
// sites are dropped, and the memory is freed once no attached thread is in it (Engine::retire).
#pragma once

#include <llvm/ExecutionEngine/JITLink/JITLink.h>
#include <llvm/ExecutionEngine/JITLink/JITLinkMemoryManager.h>
#include <llvm/ExecutionEngine/Orc/ObjectLinkingLayer.h>
#include <llvm/IR/IRBuilder.h>

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "shunt/engine.h"
#include "shunt/error.h"

namespace shunt::orc {

// One of ours as one of LLVM's, and back. from_llvm() makes an error of another kind one with `otherwise`, and takes
// all messages.
class EngineError : public llvm::ErrorInfo<EngineError> {
 public:
  static char ID;  // NOLINT(readability-identifier-naming): LLVM's
  explicit EngineError(Error cause) : error(std::move(cause)) {}
  void log(llvm::raw_ostream& out) const override;
  [[nodiscard]] std::error_code convertToErrorCode() const override;

  Error error;
};
llvm::Error to_llvm(Error error);
Error from_llvm(llvm::Error error, ErrorCode otherwise);

// Emits a site at the builder's position and ends the block: falls through to `off` in state 0, goes to targets[s - 1]
// in state s; blocks may occur several times among the targets. SiteForm::Toggle (one target; x86-64) or AlignedWord;
// on arm64 both are the same. The processor flags are dead there. `key` must outlive the code.
llvm::CallBrInst* emit_branch(llvm::IRBuilderBase& builder, KeyBase& key, SiteForm form, llvm::BasicBlock* off,
                              std::span<llvm::BasicBlock* const> targets);

// Emits a detour at the builder's position, without control flow that the optimiser sees: while `key` is on, the site's
// stub calls `entry`, which keeps every register (engine/quiesce/safepoint_entry.h; Engine::safepoint_entry() is one),
// and goes on behind the site. Memory may have changed then. Best emitted late, after the loop optimisers: it is in
// nobody's way there. Copies that the optimiser makes are sites of their own.
llvm::CallInst* emit_detour(llvm::IRBuilderBase& builder, KeyBase& key, SiteForm form, std::uint64_t entry);

// Executable and read-only segments lie in the engine's code memory, written through its staging copy: nothing is ever
// writable and executable. Writable data has pages of its own within reach of the code. Thread-safe. Must outlive what
// it allocated, and the engine it.
class CodeMemoryManager final : public llvm::jitlink::JITLinkMemoryManager {
 public:
  explicit CodeMemoryManager(Engine& engine);
  ~CodeMemoryManager() override;

  void allocate(const llvm::jitlink::JITLinkDylib* dylib, llvm::jitlink::LinkGraph& graph,
                OnAllocatedFunction on_allocated) override;
  void deallocate(std::vector<FinalizedAlloc> allocations, OnDeallocatedFunction on_deallocated) override;

  [[nodiscard]] Engine& engine() const { return engine_; }

  // The published code of an allocation: from its first byte. Until it is deallocated.
  [[nodiscard]] const Code& code(const FinalizedAlloc& allocation) const;

  // The sites of a graph whose memory is allocated and not yet finalised; for the passes.
  struct Site {
    NewSite site;
    std::vector<std::uint32_t> targets;
  };
  void keep_sites(const llvm::jitlink::LinkGraph& graph, std::vector<Site> sites);
  // Where the graph's code will run.
  [[nodiscard]] std::uintptr_t code_address(const llvm::jitlink::LinkGraph& graph) const;

 private:
  class InFlight;
  struct Published;

  Engine& engine_;
  mutable std::mutex mutex_;  // protects the maps
  std::unordered_map<const llvm::jitlink::LinkGraph*, InFlight*> in_flight_;
  std::unordered_map<std::uintptr_t, std::unique_ptr<Published>> published_;  // by the code's address
};

// Makes the linker read the graph's site records. `memory` is the one that the graph is allocated with.
void add_site_passes(llvm::jitlink::PassConfiguration& passes, CodeMemoryManager& memory);

// The same for an ObjectLinkingLayer.
class SitePlugin final : public llvm::orc::ObjectLinkingLayer::Plugin {
 public:
  explicit SitePlugin(CodeMemoryManager& memory) : memory_(memory) {}
  void modifyPassConfig(llvm::orc::MaterializationResponsibility& responsibility, llvm::jitlink::LinkGraph& graph,
                        llvm::jitlink::PassConfiguration& passes) override;
  llvm::Error notifyFailed(llvm::orc::MaterializationResponsibility&) override { return llvm::Error::success(); }
  llvm::Error notifyRemovingResources(llvm::orc::JITDylib&, llvm::orc::ResourceKey) override {
    return llvm::Error::success();  // the memory manager is told
  }
  void notifyTransferringResources(llvm::orc::JITDylib&, llvm::orc::ResourceKey, llvm::orc::ResourceKey) override {}

 private:
  CodeMemoryManager& memory_;
};

}  // namespace shunt::orc
