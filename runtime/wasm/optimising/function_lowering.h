// One function's operations as LLVM IR, in one pass. Locals are allocas, which LLVM turns into values; the operand
// stack is one of values; what control flow merges are phis.
#pragma once

#include <llvm/ADT/DenseMap.h>
#include <llvm/IR/DIBuilder.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "runtime/wasm/baseline/op_info.h"
#include "runtime/wasm/module/function_body.h"
#include "runtime/wasm/optimising/optimising.h"
#include "runtime/wasm/speculation/known_items.h"

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
  // As such a body: what reaches a function of the module that is not of this compilation (lowering.h, outside_name);
  // null for an import, and where there is no key to redirect it by.
  llvm::Function* outside(std::uint32_t function);
  llvm::Value* function_reference(llvm::IRBuilderBase& builder, llvm::Value* context, std::uint32_t function) const;

  // `ret f(FuncRef*, params...)`: calls whatever the reference names.
  llvm::Function* call_reference(std::uint32_t type_index);

  // What may be believed of a table now, or null; what of it a call with this type may reach.
  [[nodiscard]] const KnownTable* known_table(std::uint32_t table) const;
  std::span<const KnownTable::Entry> candidates(std::uint32_t table, std::uint32_t type_index);
  // A constant array of how far their bodies are from it, by index from the first candidate's on; 0 where this
  // compilation has none. Read-only data lies beside the code and needs no relocation.
  llvm::GlobalVariable& bodies_of(std::uint32_t table, std::uint32_t type_index,
                                  std::span<const KnownTable::Entry> candidates);
  [[nodiscard]] std::optional<std::uint64_t> known_global(std::uint32_t global) const { return globals_[global]; }

  // Attributes that all of our functions have.
  void decorate(llvm::Function& function) const;

  // What accesses touch: no two kinds alias.
  llvm::MDNode* guest_memory;
  llvm::MDNode* globals;
  llvm::MDNode* runtime_data;

 private:
  llvm::Function* new_body(std::uint32_t function, const std::string& name);
  void build_call_reference(llvm::Function& function, std::uint32_t type_index);

  std::vector<llvm::Function*> bodies_;           // by function index
  std::vector<llvm::Function*> outside_;          // likewise
  std::vector<llvm::Function*> call_references_;  // by type index
  std::vector<std::optional<KnownTable>> tables_;
  std::vector<std::optional<std::uint64_t>> globals_;
  // By table and canonical type.
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::vector<KnownTable::Entry>> candidates_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, llvm::GlobalVariable*> arrays_;
};

class FunctionLowering {
 public:
  FunctionLowering(ModuleLowering& shared, const FunctionBody& body, llvm::Function& function,
                   llvm::DISubprogram* scope);
  // The whole function.
  void run();
  // What is left of it at the head of the loop at this byte of the module: `function` takes a LoopEntry's slots behind
  // the context. False: no execution comes there, and `function` is of no use.
  bool run_from(std::uint32_t loop);

 private:
  struct Block {
    baseline::OpKind kind;  // Return: the function
    const FunctionType* type;
    std::uint32_t position;   // of the operation that opens it
    bool is_entered;          // a loop that execution began inside of (lower_loops.cpp)
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
  void open_function();
  void walk(std::uint32_t begin, std::uint32_t end);
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

  // --- entering at a loop (lower_loops.cpp) ---
  void begin_here();
  void turn_again(const Block& first);

  // --- traps and calls (lower_calls.cpp) ---
  void trap(TrapCode code);
  void trap_if(llvm::Value* condition, TrapCode code);
  void call(const Op& op);
  void call_function(std::uint32_t function);
  void call_indirect(const Op& op);
  void call_unknown(const Op& op, llvm::Value* index);
  void call_body(llvm::FunctionCallee callee, llvm::Value* first, bool is_context, const FunctionType& type);
  llvm::Value* call_builtin(Builtin builtin, std::span<llvm::Value* const> arguments);
  void runtime_call(const Op& op, const baseline::OpInfo& info);
  void read_flag(const Op& op);

  // --- what is known of tables and globals (lower_speculation.cpp): false if it is not ---
  bool call_known(const Op& op, llvm::Value* index);
  bool get_known(std::uint32_t global);
  llvm::Value* is_unwritten(std::uint32_t table);

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
  std::uint32_t position_ = 0;           // of the operation that is lowered
  llvm::Value* slots_ = nullptr;         // where execution begins at a loop
  std::optional<std::uint32_t> begins_;  // at this byte of the module, until it has
  llvm::BasicBlock* first_ = nullptr;    // the block where it does
  std::uint32_t skipped_ = 0;            // blocks that were opened where nothing is reached
  bool reachable_ = true;
};

// Values in slots: words of 64 bits, i32 and floats zero-extended.
llvm::Value* from_slot(llvm::IRBuilder<>& b, llvm::Value* slots, std::size_t index, llvm::Type* type);
void store_slot(llvm::IRBuilder<>& b, llvm::Value* slots, std::size_t index, llvm::Value* value);

// Adds the function that goes on at a loop, and its LoopEntry. False: no execution comes there, or it costs more than
// `budget` operations to compile; else that is reduced.
bool lower_loop(ModuleLowering& shared, const FunctionBody& body, const CodePlace& loop, llvm::DISubprogram* scope,
                std::size_t& budget);

// Writes the slots entry of a function whose body is there.
void write_slots_entry(ModuleLowering& shared, std::uint32_t function, llvm::Function& entry);

}  // namespace shunt::wasm
