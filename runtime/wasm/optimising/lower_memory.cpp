// FunctionLowering: memory, globals and tables.
#include <llvm/IR/Constants.h>

#include "runtime/wasm/optimising/function_lowering.h"

namespace shunt::wasm {

using baseline::OpInfo;

namespace {

void tag(llvm::Instruction* access, llvm::MDNode* kind) {
  access->setMetadata(llvm::LLVMContext::MD_tbaa, kind);
}

}  // namespace

// A field of the context that never changes.
llvm::Value* FunctionLowering::context_field(std::size_t offset, llvm::Type* type) {
  llvm::LoadInst* const load = b_.CreateLoad(type, b_.CreateConstInBoundsGEP1_64(b_.getInt8Ty(), context_, offset));
  load->setMetadata(llvm::LLVMContext::MD_invariant_load, llvm::MDNode::get(function_.getContext(), {}));
  return load;
}

// The memory reserves what a 32-bit index and a 32-bit offset reach, so no bounds are checked: accesses fault.
llvm::Value* FunctionLowering::address(const Op& op, llvm::Value* index) {
  llvm::Value* const place = b_.CreatePtrAdd(memory_base_, b_.CreateZExt(index, b_.getInt64Ty()));
  return op.imm == 0 ? place : b_.CreatePtrAdd(place, word(op.imm));
}

void FunctionLowering::load(const Op& op, const OpInfo& info) {
  llvm::Type* const type = shared_.type(info.result);
  const unsigned bits = info.bytes * 8U;
  const bool is_whole = bits == type->getScalarSizeInBits();
  llvm::Type* const stored = is_whole ? type : b_.getIntNTy(bits);
  llvm::LoadInst* const load = b_.CreateAlignedLoad(stored, address(op, pop()), llvm::Align(1), true);
  tag(load, shared_.guest_memory);
  if (is_whole) return push(load);
  push(info.is_signed ? b_.CreateSExt(load, type) : b_.CreateZExt(load, type));
}

void FunctionLowering::store(const Op& op, const OpInfo& info) {
  llvm::Value* value = pop();
  const unsigned bits = info.bytes * 8U;
  if (bits != value->getType()->getScalarSizeInBits()) value = b_.CreateTrunc(value, b_.getIntNTy(bits));
  tag(b_.CreateAlignedStore(value, address(op, pop()), llvm::Align(1), true), shared_.guest_memory);
}

llvm::Value* FunctionLowering::global_place(std::uint32_t global) {
  if (global >= shared_.module.imported_globals) {
    const std::size_t own = global - shared_.module.imported_globals;
    return b_.CreateConstInBoundsGEP1_64(b_.getInt8Ty(), context_, own_globals_offset + own * sizeof(GlobalCell));
  }
  llvm::Value* const cells = context_field(offsetof(VmContext, imported_globals), b_.getPtrTy());
  llvm::LoadInst* const cell =
      b_.CreateLoad(b_.getPtrTy(), b_.CreateConstInBoundsGEP1_64(b_.getPtrTy(), cells, global));
  cell->setMetadata(llvm::LLVMContext::MD_invariant_load, llvm::MDNode::get(function_.getContext(), {}));
  return cell;
}

void FunctionLowering::global_get(std::uint32_t global) {
  if (get_known(global)) return;
  const GlobalType& info = shared_.module.globals[global].type;
  llvm::LoadInst* const load = b_.CreateLoad(shared_.type(info.type), global_place(global));
  tag(load, shared_.globals);
  if (!info.is_mutable)
    load->setMetadata(llvm::LLVMContext::MD_invariant_load, llvm::MDNode::get(function_.getContext(), {}));
  push(load);
}

// Atomic, for a thread with itself, so that it is neither removed nor moved over an access that may fault: whoever
// looks after a trap finds what was stored before it. Loads may still be answered by it.
void FunctionLowering::global_set(std::uint32_t global) {
  llvm::Value* const value = pop();
  llvm::StoreInst* const store = b_.CreateAlignedStore(value, global_place(global), llvm::Align(alignof(GlobalCell)));
  store->setAtomic(llvm::AtomicOrdering::Monotonic, llvm::SyncScope::SingleThread);
  tag(store, shared_.globals);
}

llvm::Value* FunctionLowering::table_view(std::uint32_t table) {
  llvm::Value* const views = context_field(offsetof(VmContext, tables), b_.getPtrTy());
  llvm::LoadInst* const view = b_.CreateLoad(b_.getPtrTy(), b_.CreateConstInBoundsGEP1_64(b_.getPtrTy(), views, table));
  view->setMetadata(llvm::LLVMContext::MD_invariant_load, llvm::MDNode::get(function_.getContext(), {}));
  return view;
}

void FunctionLowering::memory_size() {
  llvm::Value* const view = context_field(offsetof(VmContext, memory), b_.getPtrTy());
  llvm::LoadInst* const bytes =
      b_.CreateLoad(b_.getInt64Ty(), b_.CreateConstInBoundsGEP1_64(b_.getInt8Ty(), view, offsetof(MemoryView, bytes)));
  tag(bytes, shared_.runtime_data);
  constexpr std::uint64_t page_bits = 16;
  push(b_.CreateTrunc(b_.CreateLShr(bytes, page_bits), b_.getInt32Ty()));
}

void FunctionLowering::table_size(std::uint32_t table) {
  const KnownTable* const known = shared_.known_table(table);
  if (known != nullptr && known->lasts == Lasts::Always)
    return push(b_.getInt32(static_cast<std::uint32_t>(known->size)));
  llvm::Value* const place =
      b_.CreateConstInBoundsGEP1_64(b_.getInt8Ty(), table_view(table), offsetof(TableView, size));
  llvm::LoadInst* const size = b_.CreateLoad(b_.getInt64Ty(), place);
  tag(size, shared_.runtime_data);
  push(b_.CreateTrunc(size, b_.getInt32Ty()));
}

}  // namespace shunt::wasm
