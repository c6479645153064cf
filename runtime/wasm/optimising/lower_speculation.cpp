// FunctionLowering: calls through tables whose contents are known, and globals whose values are.
//
// A call through a known table finds its callee by the index alone: no bounds, no null, no type to look at.
//
//     site of "nobody has written the table"          none, if nobody can
//       │ holds                    │ broken
//     index of a candidate? ─no─> as if nothing were known: finds the callee, or traps
//       │ yes
//     call of its body
//
// Candidates are the entries of the type that is asked for. Where they are few functions, each is a direct call, which
// may be inlined; else the body is found by a constant array of distances, which a constant index still makes a direct
// call.
#include <llvm/IR/Constants.h>
#include <llvm/IR/MDBuilder.h>

#include <algorithm>

#include "runtime/wasm/optimising/flag_reads.h"
#include "runtime/wasm/optimising/function_lowering.h"

namespace shunt::wasm {
namespace {

// Of different functions: more are compared with more slowly than an array is read.
constexpr std::size_t most_direct_calls = 4;
constexpr std::uint32_t longest_array = 4096;
constexpr std::uint32_t often = 2000;

}  // namespace

const KnownTable* ModuleLowering::known_table(std::uint32_t table) const {
  const std::optional<KnownTable>& known = tables_[table];
  if (!known) return nullptr;
  return known->lasts == Lasts::Always || options.assumptions->of_table(table)->holds() ? &*known : nullptr;
}

std::span<const KnownTable::Entry> ModuleLowering::candidates(std::uint32_t table, std::uint32_t type_index) {
  const std::uint32_t wanted = options.canonical_types[type_index];
  const auto [found, is_new] = candidates_.try_emplace({table, wanted});
  if (is_new) {
    const std::vector<KnownTable::Entry>& all = tables_[table]->entries;
    std::copy_if(all.begin(), all.end(), std::back_inserter(found->second), [&](const KnownTable::Entry& entry) {
      return options.canonical_types[module.functions[entry.function].type] == wanted;
    });
  }
  return found->second;
}

llvm::GlobalVariable& ModuleLowering::bodies_of(std::uint32_t table, std::uint32_t type_index,
                                                std::span<const KnownTable::Entry> candidates) {
  llvm::GlobalVariable*& array = arrays_[{table, options.canonical_types[type_index]}];
  if (array != nullptr) return *array;
  const std::uint32_t first = candidates.front().index;
  llvm::IntegerType* const word = llvm::Type::getInt32Ty(ir.getContext());
  llvm::IntegerType* const address = llvm::Type::getInt64Ty(ir.getContext());
  auto* const type = llvm::ArrayType::get(word, candidates.back().index - first + 1);
  array = new llvm::GlobalVariable(ir, type, true, llvm::GlobalValue::PrivateLinkage, nullptr, "bodies");
  array->setUnnamedAddr(llvm::GlobalValue::UnnamedAddr::Global);
  std::vector<llvm::Constant*> offsets(type->getNumElements(), llvm::ConstantInt::get(word, 0));
  for (const KnownTable::Entry& entry : candidates) {
    llvm::Function* const body = bodies_[entry.function];
    if (body == nullptr) continue;
    body->setDSOLocal(true);
    llvm::Constant* const distance = llvm::ConstantExpr::getSub(llvm::ConstantExpr::getPtrToInt(body, address),
                                                                llvm::ConstantExpr::getPtrToInt(array, address));
    offsets[entry.index - first] = llvm::ConstantExpr::getTrunc(distance, word);
  }
  array->setInitializer(llvm::ConstantArray::get(type, offsets));
  return *array;
}

llvm::Value* FunctionLowering::is_unwritten(std::uint32_t table) {
  const std::uint64_t number = shared_.options.flag_imports.size() + table;
  llvm::Value* const read = b_.CreateCall(flag_read_function(shared_.ir, b_.getInt32Ty()), {word(number), context_});
  return b_.CreateIsNull(read);
}

namespace {

// Paths that each leave results on the operand stack, and meet.
class Paths {
 public:
  Paths(llvm::IRBuilder<>& builder, std::vector<llvm::Value*>& stack, llvm::BasicBlock* after, std::size_t params)
      : b_(builder), stack_(stack), before_(stack), after_(after), kept_(stack.size() - params) {}

  template <class Emit>
  void add(llvm::BasicBlock* path, Emit emit) {
    b_.SetInsertPoint(path);
    stack_ = before_;
    emit();
    results_.emplace_back(b_.GetInsertBlock(),
                          std::vector(stack_.begin() + static_cast<std::ptrdiff_t>(kept_), stack_.end()));
    b_.CreateBr(after_);
  }
  void meet() {
    b_.SetInsertPoint(after_);
    stack_.assign(before_.begin(), before_.begin() + static_cast<std::ptrdiff_t>(kept_));
    for (std::size_t i = 0; i < results_.front().second.size(); ++i) {
      llvm::PHINode* const merge =
          b_.CreatePHI(results_.front().second[i]->getType(), static_cast<unsigned>(results_.size()));
      for (const auto& [block, values] : results_) merge->addIncoming(values[i], block);
      stack_.push_back(merge);
    }
  }

 private:
  llvm::IRBuilder<>& b_;
  std::vector<llvm::Value*>& stack_;
  const std::vector<llvm::Value*> before_;
  llvm::BasicBlock* after_;
  std::size_t kept_;
  std::vector<std::pair<llvm::BasicBlock*, std::vector<llvm::Value*>>> results_;
};

std::vector<std::uint32_t> functions_of(std::span<const KnownTable::Entry> entries) {
  std::vector<std::uint32_t> functions;
  for (const KnownTable::Entry& entry : entries) functions.push_back(entry.function);
  std::sort(functions.begin(), functions.end());
  functions.erase(std::unique(functions.begin(), functions.end()), functions.end());
  return functions;
}

}  // namespace

bool FunctionLowering::call_known(const Op& op, llvm::Value* index) {
  const KnownTable* const table = shared_.known_table(op.b);
  if (table == nullptr) return false;
  std::span<const KnownTable::Entry> candidates = shared_.candidates(op.b, op.a);
  if (auto* const constant = llvm::dyn_cast<llvm::ConstantInt>(index)) {
    const auto [first, last] =
        std::ranges::equal_range(candidates, constant->getZExtValue(), {}, &KnownTable::Entry::index);
    candidates = {first, last};
  }
  if (candidates.empty()) return false;
  const std::vector<std::uint32_t> functions = functions_of(candidates);
  const bool direct = functions.size() <= most_direct_calls;
  const bool any_body =
      std::any_of(functions.begin(), functions.end(), [this](std::uint32_t f) { return shared_.body(f) != nullptr; });
  const std::uint32_t range = candidates.back().index - candidates.front().index;
  if (!direct && (!any_body || range >= longest_array)) return false;

  const FunctionType& type = shared_.module.types[op.a];
  llvm::BasicBlock* const known = new_block("known");
  llvm::BasicBlock* const unknown = new_block("unknown");
  llvm::MDNode* const likely = llvm::MDBuilder(function_.getContext()).createLikelyBranchWeights();
  if (table->lasts == Lasts::WhileUnwritten) {
    b_.CreateCondBr(is_unwritten(op.b), known, unknown, likely);
  } else {
    b_.CreateBr(known);
  }
  Paths paths(b_, stack_, new_block("called"), type.params.size());
  b_.SetInsertPoint(known);
  if (direct) {
    llvm::SwitchInst* const choice = b_.CreateSwitch(index, unknown, static_cast<unsigned>(candidates.size()));
    std::vector<std::uint32_t> weights(candidates.size() + 1, often);
    weights.front() = 1;  // of the default
    choice->setMetadata(llvm::LLVMContext::MD_prof,
                        llvm::MDBuilder(function_.getContext()).createBranchWeights(weights));
    for (const std::uint32_t function : functions) {
      llvm::BasicBlock* const path = new_block("candidate");
      for (const KnownTable::Entry& entry : candidates) {
        if (entry.function == function) choice->addCase(b_.getInt32(entry.index), path);
      }
      paths.add(path, [&] { call_function(function); });
    }
  } else {
    llvm::GlobalVariable& bodies = shared_.bodies_of(op.b, op.a, candidates);
    llvm::BasicBlock* const inside = new_block("inside");
    llvm::BasicBlock* const found = new_block("found");
    llvm::Value* const place = b_.CreateSub(index, b_.getInt32(candidates.front().index));
    b_.CreateCondBr(b_.CreateICmpULE(place, b_.getInt32(range)), inside, unknown, likely);
    b_.SetInsertPoint(inside);
    llvm::Value* const offset = b_.CreateLoad(
        b_.getInt32Ty(),
        b_.CreateInBoundsGEP(bodies.getValueType(), &bodies, {b_.getInt32(0), b_.CreateZExt(place, b_.getInt64Ty())}));
    b_.CreateCondBr(b_.CreateIsNotNull(offset), found, unknown, likely);
    paths.add(found, [&] {
      // Folded to the body where the index turns out to be constant.
      llvm::Value* const body = b_.CreateIntrinsic(llvm::Intrinsic::load_relative, {b_.getInt32Ty()},
                                                   {&bodies, b_.CreateShl(place, b_.getInt32(2))});
      call_body({shared_.body_type(type), body}, context_, true, type);
    });
  }
  paths.add(unknown, [&] { call_unknown(op, index); });
  paths.meet();
  return true;
}

bool FunctionLowering::get_known(std::uint32_t global) {
  const std::optional<std::uint64_t> bits = shared_.known_global(global);
  if (!bits) return false;
  llvm::Type* const type = shared_.type(shared_.module.globals[global].type.type);
  push(b_.CreateBitCast(b_.getIntN(type->getScalarSizeInBits(), *bits), type));
  return true;
}

}  // namespace shunt::wasm
