// Patch sites in code that LLVM generates and JITLink links, in the engine's code memory. LLVM 19 to 22.
//
//   auto jit = shunt::orc::make_jit(engine);                     // Expected<unique_ptr<LLJIT>>
//   shunt::orc::emit_branch(builder, key, off, on);              // in IR: one instruction
//   shunt::orc::emit_detour(builder, traced, SiteForm::Toggle, entry);  // one instruction, no control flow
//   (*jit)->addIRModule(...); (*jit)->lookup("f");               // sites have their keys' states
//
// A client with layers of its own takes the parts:
//
//   shunt::orc::CodeMemoryManager memory(engine);                          the linker's memory manager
//   llvm::orc::ObjectLinkingLayer layer(session, memory);
//   layer.addPlugin(std::make_shared<shunt::orc::SitePlugin>(memory));     registers what was emitted
//   shunt::orc::target_machine_builder()                                   small code model, PIC
//
// and one without an ExecutionSession calls add_site_passes() from its JITLinkContext's modifyPassConfig().
//
// Each site leaves a record in the object's section "shunt_sites" (site_record.h). A record lives and dies with its
// site's function when the linker strips what is not used. The passes read the records once addresses are known; the
// memory manager publishes code and sites together, so that each site has its key's state before anybody can run it.
// When the memory is deallocated, by a ResourceTracker for example, the code is retired: its sites are dropped, and the
// memory is freed once no attached thread is in it (Engine::retire). LLVM takes unwind information back at once, so
// until then no exception can pass the frames that are left.
#pragma once

#include <llvm/ADT/SmallVector.h>
#include <llvm/ExecutionEngine/JITLink/JITLink.h>
#include <llvm/ExecutionEngine/JITLink/JITLinkMemoryManager.h>
#include <llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h>
#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/ExecutionEngine/Orc/ObjectLinkingLayer.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/ValueHandle.h>

#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "shunt/engine.h"
#include "shunt/error.h"

namespace shunt::orc {

class DataArena;

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

// Sites in IR. The module's target triple is that of the processor the code is for (x86-64 or arm64, ELF): for another,
// and for another form than those named, code generation reports an error through LLVM's diagnostics. The optimiser may
// make copies of a site, or drop it; each copy is a site. Keys must outlive the code. `form`: Toggle (keys of two
// states), AlignedWord or Unaligned; on arm64 all are AlignedWord. The processor flags are dead at a site.

// Emits a site at the builder's position and ends the block: falls through to `off` in state 0, goes to targets[s - 1]
// in state s. Blocks may occur several times among the targets; `off` is none of them.
llvm::CallBrInst* emit_branch(llvm::IRBuilderBase& builder, KeyBase& key, SiteForm form, llvm::BasicBlock* off,
                              std::span<llvm::BasicBlock* const> targets);
llvm::CallBrInst* emit_branch(llvm::IRBuilderBase& builder, StaticKey& key, llvm::BasicBlock* off,
                              llvm::BasicBlock* on);  // a Toggle

// A detour: falls through while `key` (of two states) is off; while it is on, goes to the site's stub, which calls
// `entry` and jumps back. To the optimiser it is an instruction that may read and write memory, and no control flow:
// put it in behind the loop optimisers. The stub lies behind the code of the function's section.
//
// `entry` keeps every register, the vector registers too, and finds the stack as engine/quiesce/safepoint_entry.h
// shows, at any alignment: it is no C function, but assembly that may call one. The other overload names it by symbol.
llvm::CallInst* emit_detour(llvm::IRBuilderBase& builder, KeyBase& key, SiteForm form, std::uint64_t entry);
llvm::CallInst* emit_detour(llvm::IRBuilderBase& builder, KeyBase& key, SiteForm form, const llvm::Function& entry);

// Detours that the compiler never sees: they are put in when instructions are chosen, registers are given and blocks
// have their places, so the code is what it would be without them. (In IR a detour keeps blocks from being merged,
// copied and moved: in each loop of CoreMark, an empty piece of inline assembly takes 4 %.) They are AlignedWords, and
// `entry`, as above, keeps the flags too.
//
// want_detours() asks for those of one function. There is one on every way around every loop that is left (at the head
// of an inner loop; a loop around it needs none if each way around passes that), and one behind the prologue if the
// function calls anything. generate_object() puts them in, in place of TargetMachine::addPassesToEmitMC(); an LLJIT
// does with JitOptions::detours.
struct LateDetours {
  KeyBase* key = nullptr;  // of two states; null: none
  std::uint64_t entry = 0;
  std::vector<llvm::WeakVH> without;  // blocks: a way around a loop that passes none but these needs no detour
};
void want_detours(llvm::Function& function);
// Error: Unsupported.
llvm::Expected<llvm::SmallVector<char, 0>> generate_object(llvm::Module& module, llvm::TargetMachine& machine,
                                                           const LateDetours& detours);

// Makes `function`, which has no body, one that a batch redirects: its first byte is a site (an AlignedWord) of `key`,
// which has `states` states, and behind it is a jump to `otherwise`. In state 0 that is where calls go, and in the
// others until PatchBatch::retarget() says for each where. What it leads to is called as `function` is: no register
// changes on the way (but X16 on arm64, where the target is far). `otherwise` has external linkage. Call this when
// nothing is left to be optimised: LLVM does not see where the function goes.
void emit_redirectable(llvm::Function& function, KeyBase& key, unsigned states, const llvm::Function& otherwise);

// A safepoint of `engine`, where the code will be published: a detour of its safepoint key. It stands behind the
// function's prologue; where frames are walked by frame pointers, the function has the attribute "frame-pointer"="all"
// (shunt/thread.h). Needs 8 KiB of stack (16 where SVE registers are longer than 128 bytes), and the code runs in a
// GuestScope.
llvm::CallInst* emit_safepoint(llvm::IRBuilderBase& builder, Engine& engine);

// Executable and read-only segments lie in the engine's code memory, written through its staging copy: nothing is ever
// writable and executable. Writable data, and graphs without code, lie in private memory within 2 GiB of the code.
// Thread-safe. Must outlive what it allocated, and the engine it.
//
// Errors of a link (EngineError): those of Engine::allocate() and Engine::publish(); OutOfMemory if no data memory is
// in reach; InvalidArgument for a segment that is writable and executable, or code that is aligned to more than 64
// bytes.
class CodeMemoryManager final : public llvm::jitlink::JITLinkMemoryManager {
 public:
  explicit CodeMemoryManager(Engine& engine);
  ~CodeMemoryManager() override;

  // Blocks (Engine::publish() when the allocation is finalised).
  void allocate(const llvm::jitlink::JITLinkDylib* dylib, llvm::jitlink::LinkGraph& graph,
                OnAllocatedFunction on_allocated) override;

  // Retires code. Does not wait for threads. Where the engine refuses to (Engine::retire()), the error is handed on,
  // and the code is kept and retired with the next.
  void deallocate(std::vector<FinalizedAlloc> allocations, OnDeallocatedFunction on_deallocated) override;

  [[nodiscard]] Engine& engine() const { return engine_; }

  // The published code of an allocation: from its first byte. Until it is deallocated. Empty if it holds none.
  [[nodiscard]] static const Code& code(const FinalizedAlloc& allocation);

  // The sites of a graph whose memory is allocated and not yet finalised; for the passes.
  struct Site {
    NewSite site;
    std::vector<std::uint32_t> targets;
  };
  llvm::Error keep_sites(const llvm::jitlink::LinkGraph& graph, std::vector<Site> sites);
  // Where the graph's code will run. Error: InvalidArgument if the graph was allocated by another memory manager.
  llvm::Expected<std::uintptr_t> code_address(const llvm::jitlink::LinkGraph& graph) const;

 private:
  class InFlight;
  struct Published;
  llvm::Error retire(std::shared_ptr<Published> published);
  llvm::Expected<InFlight*> in_flight(const llvm::jitlink::LinkGraph& graph) const;  // under mutex_

  Engine& engine_;
  std::shared_ptr<DataArena> data_;
  mutable std::mutex mutex_;  // protects what follows
  std::unordered_map<const llvm::jitlink::LinkGraph*, InFlight*> in_flight_;
  std::vector<std::shared_ptr<Published>> kept_;  // to be retired, but the engine could not yet
};

// Makes the linker keep each site's record as long as its function, and read those that are left. `memory` is the one
// that the graph is allocated with.
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

// For code of this machine: its processor's features, the small code model, PIC, and each function in a section of its
// own, so that the linker can strip it. Errors: LLVM does not know the processor.
llvm::Expected<llvm::orc::JITTargetMachineBuilder> target_machine_builder();

struct JitOptions {
  bool unwinding = true;                              // exceptions may pass the code's frames
  bool gdb = false;                                   // LLVM's plugins: a debugger is shown each object
  bool perf = false;                                  //   and `perf inject --jit` finds the functions in ~/.debug/jit
  std::optional<LateDetours> detours = std::nullopt;  // of the functions that want them
};

// An LLJIT whose code lies in the engine's code memory, with the plugin. `builder` may hold settings of the caller's, a
// JITTargetMachineBuilder made by target_machine_builder() among them; its linking layer is replaced. The engine must
// outlive the JIT, and keys the code. Errors: LLVM's.
llvm::Expected<std::unique_ptr<llvm::orc::LLJIT>> make_jit(Engine& engine, const JitOptions& options = {},
                                                           llvm::orc::LLJITBuilder builder = {});

// Makes a module one of the JIT's: its target triple, which emitting a site asks for, and its data layout.
void set_target(llvm::Module& module, const llvm::orc::LLJIT& jit);

}  // namespace shunt::orc
