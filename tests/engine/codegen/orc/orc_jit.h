// Functions in IR, and a JIT that puts them into an engine's code memory.
#pragma once

#include <gtest/gtest.h>
#include <llvm/ExecutionEngine/Orc/ThreadSafeModule.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Support/Error.h>
#include <llvm/TargetParser/Host.h>

#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "shunt/codegen/orc.h"

namespace shunt::test {

// A module being written.
class Ir {
 public:
  explicit Ir(const std::string& triple = llvm::sys::getProcessTriple())
      : context(std::make_unique<llvm::LLVMContext>()),
        module(std::make_unique<llvm::Module>("test", *context)),
        builder(*context) {
    module->setTargetTriple(std::remove_cvref_t<decltype(module->getTargetTriple())>(triple));
  }

  // int name(int), externally visible; the builder stands at its beginning.
  llvm::Function* function(const std::string& name, bool external = true) {
    llvm::FunctionType* const type = llvm::FunctionType::get(builder.getInt32Ty(), {builder.getInt32Ty()}, false);
    auto* const made = llvm::Function::Create(
        type, external ? llvm::Function::ExternalLinkage : llvm::Function::InternalLinkage, name, *module);
    builder.SetInsertPoint(block("entry", made));
    return made;
  }
  llvm::BasicBlock* block(const char* name, llvm::Function* in = nullptr) {
    return llvm::BasicBlock::Create(*context, name, in != nullptr ? in : builder.GetInsertBlock()->getParent());
  }
  void returns(int value) { builder.CreateRet(builder.getInt32(static_cast<std::uint32_t>(value))); }

  // int name(int): `states` targets return 1, 2...; else 0.
  llvm::Function* answering(const std::string& name, KeyBase& key, SiteForm form, unsigned targets = 1,
                            bool external = true) {
    llvm::Function* const made = function(name, external);
    llvm::BasicBlock* const off = block("off");
    std::vector<llvm::BasicBlock*> blocks;
    for (unsigned i = 0; i < targets; ++i) blocks.push_back(block("on"));
    orc::emit_branch(builder, key, form, off, blocks);
    builder.SetInsertPoint(off);
    returns(0);
    for (unsigned i = 0; i < targets; ++i) {
      builder.SetInsertPoint(blocks[i]);
      returns(static_cast<int>(i) + 1);
    }
    return made;
  }

  std::unique_ptr<llvm::LLVMContext> context;
  std::unique_ptr<llvm::Module> module;
  llvm::IRBuilder<> builder;
};

class OrcTest : public testing::Test {
 protected:
  void SetUp() override {
    auto made = Engine::create({.code_reservation = 64 << 20});
    ASSERT_TRUE(made) << made.error().message();
    engine_ = std::move(*made);
    make_jit({});
  }
  void make_jit(const orc::JitOptions& options, llvm::orc::LLJITBuilder builder = {}) {
    auto jit = orc::make_jit(*engine_, options, std::move(builder));
    ASSERT_TRUE(static_cast<bool>(jit)) << llvm::toString(jit.takeError());
    jit_ = std::move(*jit);
  }

  Engine& engine() { return *engine_; }
  llvm::orc::LLJIT& jit() { return *jit_; }

  void add(Ir& ir, llvm::orc::ResourceTrackerSP tracker = nullptr) {
    ASSERT_FALSE(llvm::verifyModule(*ir.module, &llvm::errs()));
    ir.module->setDataLayout(jit_->getDataLayout());
    llvm::orc::ThreadSafeModule module(std::move(ir.module), std::move(ir.context));
    if (!tracker) tracker = jit_->getMainJITDylib().getDefaultResourceTracker();
    llvm::Error error = jit_->addIRModule(tracker, std::move(module));
    ASSERT_FALSE(static_cast<bool>(error)) << llvm::toString(std::move(error));
  }
  template <class Signature = int(int)>
  Signature* find(const std::string& name) {
    auto found = jit_->lookup(name);
    if (!found) {
      ADD_FAILURE() << llvm::toString(found.takeError());
      return nullptr;
    }
    return found->toPtr<Signature*>();
  }
  // The message of the error that looking it up gives.
  std::string refusal(const std::string& name) {
    auto found = jit_->lookup(name);
    return found ? "found" : llvm::toString(found.takeError());
  }

  template <class Key>
  void set(Key& key, unsigned state) {
    PatchBatch batch(*engine_);
    if constexpr (std::is_base_of_v<StaticKey, Key>) {
      batch.set(key, state != 0);
    } else {
      batch.set(key, state);
    }
    auto report = batch.commit();
    ASSERT_TRUE(report) << report.error().message();
    written_ = report->sites_written;
  }
  [[nodiscard]] std::size_t written() const { return written_; }  // by the last set()

  StaticKey key_{"key"};
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<llvm::orc::LLJIT> jit_;
  std::size_t written_ = 0;
};

}  // namespace shunt::test
