// The walker: one pass over a function's pre-decoded operations that decides where values are and what is fused, and
// has a selection emit the instructions. The same for every instruction set.
//
// Where control flow merges, everything but pinned locals is in one place: of a merge's results the last is in its
// class's result register, the others, and all entries below, are constants or in their frame slots. Code that cannot
// be reached is not compiled.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "runtime/wasm/baseline/debug_sites.h"
#include "runtime/wasm/baseline/flag_import_sites.h"
#include "runtime/wasm/baseline/frame_layout.h"
#include "runtime/wasm/baseline/function_analysis.h"
#include "runtime/wasm/baseline/interrupt_sites.h"
#include "runtime/wasm/baseline/operand_stack.h"
#include "runtime/wasm/baseline/parallel_move.h"
#include "runtime/wasm/baseline/pinning.h"
#include "runtime/wasm/baseline/selection.h"
#include "runtime/wasm/baseline/tier_sites.h"
#include "runtime/wasm/baseline/trace_sites.h"

namespace shunt::wasm::baseline {

// What the functions of a module share while they are compiled.
struct ModuleContext : ModuleView {
  std::span<const std::uint32_t> canonical_types;  // by type index
  std::span<const asmjit::Label> entries;          // by function index less imports
  FlagImportSites* flags = nullptr;
  InterruptSites* interrupts = nullptr;  // null: none are wanted
  TierSites* tiers = nullptr;            // likewise
  TraceSites* traces = nullptr;          // likewise
  DebugSites* debug = nullptr;           // likewise
};

// The module's code is larger than ModuleLimits::machine_code_bytes.
struct CodeTooLarge {};

template <Selection S>
class FunctionCompiler {
 public:
  FunctionCompiler(S& selection, const ModuleContext& module)
      : s_(selection), module_(module), stack_(selection, frame_, pinning_) {}

  // Emits the function at the selection's position. The body is valid. False: the compiler ran out of registers, which
  // says that it has a mistake; the code must not be used. Throws CodeTooLarge.
  bool compile(const FunctionBody& body);

 private:
  using Condition = typename S::Condition;

  // An open block, loop, if, or the function itself.
  struct Block {
    OpKind kind = OpKind::Block;  // Return: the function
    bool in_else = false;
    bool else_deferred = false;    // its else is compiled behind the function
    std::uint32_t height = 0;      // of the operand stack below its parameters
    std::uint32_t end = 0;         // position of its end
    std::uint32_t other = 0;       // of an `if`: position of its else, or of its end
    std::uint32_t forward = none;  // index of the block that a branch to this one's end goes to at once
    const FunctionType* type = nullptr;
    asmjit::Label label{};  // where branches to it go; invalid while there are none
    asmjit::Label else_label{};
    asmjit::Label detour{};  // while a br_table is compiled: moves the results, then goes to the label
  };
  static constexpr std::uint32_t none = ~std::uint32_t{0};

  // Who uses the condition that an operation is about to compute.
  struct Consumer {
    enum class Kind : std::uint8_t { Value, BrIf, If, Select } kind = Kind::Value;
    bool negated = false;  // by i32.eqz between
    std::uint32_t position =
        0;  // of the operation that consumes it; Value: of the last i32.eqz, or of the operation itself
  };

  // Operations that run while a flag is on: compiled behind the function, then on to the block at `depth`.
  struct ArmRange {
    std::uint32_t begin, end;  // positions; `none`: no operations, only the branch
    std::uint32_t depth;
  };
  struct DeferredArm {
    ArmRange range{};
    asmjit::Label entry;
    std::uint32_t position = 0;  // of the site
    std::vector<Block> blocks;
    typename OperandStack<S>::Snapshot operands;
  };
  // A flag's other value: `dst = value`, behind the function.
  struct Choice {
    asmjit::Label arm, resume;
    ValueType type;
    Reg dst;
    Operand value;                           // with `flag`: a scratch register
    const std::atomic<std::uint64_t>* flag;  // not null: where the value is
    std::optional<std::uint32_t> cell;       // where it is in the instance's context
  };
  // Code behind the function that asks whether a flag is on: of the instance's own value, and of the one that all have.
  struct FlagTest {
    asmjit::Label asks, loader, on, off;
    std::uint32_t cell;
    const std::atomic<std::uint64_t>* flag;  // null: no site goes to `loader`
  };

  // A loop's head, where a frame may leave for optimised code.
  struct LoopExit {
    std::size_t head;             // of TierSites
    std::uint32_t position;       // of the loop
    std::vector<Entry> operands;  // the operand stack there: constants, slots, and a register for the last
  };

  // --- the walk (compiler_walk.h) ---
  void walk(std::uint32_t end);
  void step(const Op& op, const OpInfo& info);
  void step_control(const Op& op, const OpInfo& info);
  void step_reference(const Op& op, const OpInfo& info);
  void enter();
  void bring_arguments();
  void zero_locals();
  void interrupt_site(std::uint32_t module_offset);
  void trace_site(std::uint32_t module_offset, bool leaves);
  void debug_site(std::uint32_t module_offset);
  // Whether each operation is compiled by itself.
  [[nodiscard]] bool is_observed() const { return module_.debug != nullptr; }
  void retire_locals(std::uint32_t position);
  void seek(std::uint32_t position);
  [[nodiscard]] const Op& op_at(std::uint32_t position) const { return body_->ops[position]; }
  [[nodiscard]] OpKind kind_at(std::uint32_t position) const { return info_of(op_at(position).opcode).kind; }

  // --- locals (compiler_locals.h) ---
  void local_get(std::uint32_t local) { stack_.push_local(body_->locals[local], local); }
  void local_set(std::uint32_t local, bool keeps);
  void assign_from(std::uint32_t local, const Entry& entry);
  [[nodiscard]] bool is_copy(std::uint32_t position) const;
  void activate(std::uint32_t local);
  [[nodiscard]] bool hint_is_free(std::uint32_t local, Reg reg) const;
  Reg destination(ValueType type, const Entry* first = nullptr, const Entry* second = nullptr);
  void push_result(ValueType type, Reg reg);
  void global_get(std::uint32_t global);
  void global_set(std::uint32_t global);
  std::pair<Reg, std::int32_t> global_place(std::uint32_t global);

  // --- control flow (compiler_control.h, compiler_branches.h) ---
  Block& push_block(OpKind kind, const Op& op);
  void open_block(const Op& op);
  void open_loop(const Op& op);
  template <class Compare>
  void open_if(const Op& op, Compare compare);
  void close_then();
  void close_block();
  void close_function();
  void make_unreachable();
  [[nodiscard]] std::uint32_t forward_of(const Block& block) const;
  Block& target(std::uint32_t depth);
  asmjit::Label label_of(Block& block);
  [[nodiscard]] std::span<const ValueType> label_types(const Block& block) const;
  [[nodiscard]] bool in_place(const Block& block) const;
  [[nodiscard]] Reg scratch_for_results(const Block& block);
  void place_results(const Block& block, Reg scratch);
  void place_result(const Block& block, std::size_t index, const Entry& entry, Reg scratch);
  void expect_results(std::uint32_t height, std::span<const ValueType> types);
  void branch_to(Block& block);
  void leave_to(Block& block, Reg scratch);
  void leave_function();
  template <class Compare>
  void branch_if(Block& block, Compare compare);
  void branch_table(const Op& op);
  [[nodiscard]] Consumer consumer() const;
  template <class Compare>
  void conditional(Compare compare);
  template <class Compare>
  void select(Compare compare);
  void test_top();

  // --- numbers and memory (compiler_numeric.h) ---
  void int_binary(const OpInfo& info);
  bool int_binary_fused(const OpInfo& info);
  void int_compare(const OpInfo& info);
  void int_eqz(const OpInfo& info);
  void float_compare(const OpInfo& info);
  void float_binary(const OpInfo& info);
  void unary(const OpInfo& info);
  void conversion(const OpInfo& info);
  void load(const Op& op, const OpInfo& info);
  void store(const Op& op, const OpInfo& info);
  [[nodiscard]] bool folds_load(const Op& op, const OpInfo& info) const;
  struct Address {
    Reg index{};
    std::uint64_t offset = 0;
  };
  Address address(const Entry& entry, std::uint64_t offset);

  // --- calls (compiler_calls.h) ---
  void call(const Op& op);
  void call_indirect(const Op& op);
  void pass_arguments(const SignatureLayout& layout);
  void take_results(const SignatureLayout& layout);
  void runtime_call(const Op& op, const OpInfo& info);
  void call_builtin(Builtin builtin, std::uint32_t operands, std::span<const std::uint64_t> immediates,
                    std::optional<ValueType> result);
  void table_size(std::uint32_t table);
  void memory_size();

  // --- flags (compiler_flags.h) ---
  void read_flag(const Op& op);
  void flag_branch_if(const FlagImportSites::Place& place, bool negated);
  void flag_site(const FlagImportSites::Place& place, const asmjit::Label& on);
  void flag_branch_here(const FlagImportSites::Place& place, Block& block, bool while_on);
  void flag_if(const FlagImportSites::Place& place, bool negated);
  void flag_select(FlagImportSites::Place place, bool negated);
  void flag_boolean(FlagImportSites::Place place, bool negated);
  void flag_number(FlagImportSites::Place place);
  void flag_choice(const FlagImportSites::Place& place, ValueType type, Reg dst, Operand on, Operand off);
  [[nodiscard]] bool is_small() const;
  [[nodiscard]] bool may_defer() const;
  [[nodiscard]] bool can_defer(std::uint32_t depth) const;
  asmjit::Label defer(const ArmRange& range);
  void mark_branches(std::uint32_t begin, std::uint32_t end);
  void compile_deferred();

  // --- leaving for optimised code (compiler_loops.h) ---
  void loop_site(std::uint32_t module_offset);
  void leave_loops();
  void leave_loop(const LoopExit& exit);
  [[nodiscard]] std::uint32_t slot_words() const;

  S& s_;
  const ModuleContext& module_;
  const FunctionBody* body_ = nullptr;
  const SignatureLayout* layout_ = nullptr;
  FunctionAnalysis analysis_;
  Pinning pinning_;
  FrameLayout frame_;
  OperandStack<S> stack_;
  std::vector<Block> blocks_;
  std::vector<RegisterMove> moves_;
  std::vector<asmjit::Label> labels_;
  std::vector<DeferredArm> deferred_;
  std::vector<Choice> choices_;
  std::vector<FlagTest> tests_;
  std::vector<LoopExit> loop_exits_;
  std::uint32_t position_ = 0;
  std::size_t next_end_ = 0;     // in pinning_.by_end()
  std::uint32_t hinted_ = none;  // local that destination() chose the register of
  bool reachable_ = true;
  bool out_of_line_ = false;
};

}  // namespace shunt::wasm::baseline

#include "runtime/wasm/baseline/compiler_branches.h"
#include "runtime/wasm/baseline/compiler_calls.h"
#include "runtime/wasm/baseline/compiler_control.h"
#include "runtime/wasm/baseline/compiler_flags.h"
#include "runtime/wasm/baseline/compiler_locals.h"
#include "runtime/wasm/baseline/compiler_loops.h"
#include "runtime/wasm/baseline/compiler_numeric.h"
#include "runtime/wasm/baseline/compiler_walk.h"
