// One function's operations as LLVM IR, in one pass. Locals are allocas, which LLVM turns into values; the operand
// stack is one of values; what control flow merges are phis.
#pragma once

#include <llvm/ADT/DenseMap.h>
#include <llvm/IR/DIBuilder.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/wasm/baseline/op_info.h"
#include "runtime/wasm/module/function_body.h"
#include "runtime/wasm/optimising/optimising.h"

namespace shunt::wasm {

// What the functions of a compilation share.
class ModuleLowering {
 public:
  ModuleLowering(const OptimisingOptions& options, const ModuleData& module, llvm::Module& ir);

  const OptimisingOptions& options;
  const ModuleData& module;
  llvm::Module& ir;

  [[nodiscard]] llvm::Type* type(ValueType type) const;
  [[nodiscard]] llvm::Type* result_type(const FunctionType& type) const;
  [[nodiscard]] llvm::FunctionType* body_type(const FunctionType& type) const;

  // The body of a function of this compilation, or null.
  [[nodiscard]] llvm::Function* body(std::uint32_t function) const { return bodies_[function]; }
  void declare(std::uint32_t function);

  // `ret f(FuncRef*, params...)`: calls whatever the reference names.
  llvm::Function* call_reference(std::uint32_t type_index);

  // Attributes that all of our functions have.
  void decorate(llvm::Function& function) const;

  // What accesses touch: no two kinds alias.
  llvm::MDNode* guest_memory;
  llvm::MDNode* globals;
  llvm::MDNode* runtime_data;

 private:
  void build_call_reference(llvm::Function& function, std::uint32_t type_index);

  std::vector<llvm::Function*> bodies_;           // by function index
  std::vector<llvm::Function*> call_references_;  // by type index
};

class FunctionLowering {
 public:
  FunctionLowering(ModuleLowering& shared, const FunctionBody& body, llvm::DISubprogram* scope);
  void run();

 private:
  struct Block {
    baseline::OpKind kind;  // Return: the function
    const FunctionType* type;
    std::size_t height;       // of the operand stack below its parameters
    llvm::BasicBlock* begin;  // a loop's header, where branches to it go
    llvm::BasicBlock* other;  // of an `if` without its else yet: where that begins
    llvm::BasicBlock* end;
    std::vector<llvm::PHINode*> merges;  // of `begin` of a loop, else of `end`
    std::vector<llvm::Value*> params;    // of an `if`: for its else
    bool is_reached = false;             // its end, or its else, can be reached from its begin
  };

  // --- control (lower_control.cpp) ---
  void prologue();
  void step(const Op& op);
  void skip(const Op& op);
  void step_control(const Op& op, const baseline::OpInfo& info);
  void open(const Op& op, baseline::OpKind kind);
  void close_then();
  void close_block();
  void branch_to(Block& block, llvm::BasicBlock* from);
  void branch_if(const Op& op);
  void branch_table(const Op& op);
  void make_returns();
  Block& target(std::uint32_t depth) { return blocks_[blocks_.size() - 1 - depth]; }
  [[nodiscard]] static std::span<const ValueType> label_types(const Block& block);
  std::vector<llvm::PHINode*> make_merges(llvm::BasicBlock* block, std::span<const ValueType> types);
  llvm::BasicBlock* new_block(const char* name);
  llvm::Value* is_true(llvm::Value* condition);

  // --- traps and calls (lower_calls.cpp) ---
  void trap(TrapCode code);
  void trap_if(llvm::Value* condition, TrapCode code);
  void call(const Op& op);
  void call_indirect(const Op& op);
  void call_body(llvm::FunctionCallee callee, llvm::Value* first, bool is_context, const FunctionType& type);
  llvm::Value* call_builtin(Builtin builtin, std::span<llvm::Value* const> arguments);
  void runtime_call(const Op& op, const baseline::OpInfo& info);
  void read_flag(const Op& op);
  llvm::Value* function_reference(std::uint32_t function);

  // --- memory, globals, tables (lower_memory.cpp) ---
  llvm::Value* address(const Op& op, llvm::Value* index);
  void load(const Op& op, const baseline::OpInfo& info);
  void store(const Op& op, const baseline::OpInfo& info);
  void global_get(std::uint32_t global);
  void global_set(std::uint32_t global);
  llvm::Value* global_place(std::uint32_t global);
  llvm::Value* context_field(std::size_t offset, llvm::Type* type);
  llvm::Value* table_view(std::uint32_t table);
  void memory_size();
  void table_size(std::uint32_t table);

  // --- numbers (lower_numeric.cpp) ---
  void step_numeric(const Op& op, const baseline::OpInfo& info);
  void constant(const Op& op, const baseline::OpInfo& info);
  llvm::Value* opaque(llvm::Value* value);
  llvm::Value* hidden(llvm::Constant* constant);
  void int_binary(const baseline::OpInfo& info);
  void divide(baseline::IntBinary op);
  void int_unary(const baseline::OpInfo& info);
  void int_compare(const baseline::OpInfo& info);
  void float_compare(const baseline::OpInfo& info);
  void float_binary(const baseline::OpInfo& info);
  void float_unary(const baseline::OpInfo& info);
  void truncate(const baseline::OpInfo& info);
  llvm::Value* extreme(llvm::Value* left, llvm::Value* right, bool least);

  void push(llvm::Value* value) { stack_.push_back(value); }
  llvm::Value* pop() {
    llvm::Value* const value = stack_.back();
    stack_.pop_back();
    return value;
  }
  llvm::Constant* word(std::uint64_t value) { return b_.getInt64(value); }

  ModuleLowering& shared_;
  const FunctionBody& body_;
  llvm::Function& function_;
  llvm::DISubprogram* scope_;
  llvm::IRBuilder<> b_;
  llvm::Value* context_ = nullptr;
  llvm::Value* memory_base_ = nullptr;
  std::vector<llvm::AllocaInst*> locals_;
  llvm::DenseMap<llvm::Constant*, llvm::Value*> hidden_;
  std::vector<llvm::Value*> stack_;
  std::vector<Block> blocks_;
  std::uint32_t skipped_ = 0;  // blocks that were opened where nothing is reached
  bool reachable_ = true;
};

// Writes the slots entry of a function whose body is there.
void write_slots_entry(ModuleLowering& shared, std::uint32_t function, llvm::Function& entry);

}  // namespace shunt::wasm
