#include "runtime/wasm/optimising/flag_reads.h"

#include <llvm/ADT/StringRef.h>
#include <llvm/Support/ModRef.h>

namespace shunt::wasm {
namespace {

constexpr llvm::StringLiteral prefix = "shunt.flag.";

llvm::StringRef suffix(const llvm::Type& type) {
  if (type.isDoubleTy()) return "f64";
  return type.isIntegerTy(64) ? "i64" : "i32";
}

}  // namespace

llvm::FunctionCallee flag_read_function(llvm::Module& module, llvm::Type* result) {
  llvm::LLVMContext& context = module.getContext();
  llvm::FunctionCallee callee =
      module.getOrInsertFunction((prefix + suffix(*result)).str(), result, llvm::Type::getInt64Ty(context));
  auto& function = *llvm::cast<llvm::Function>(callee.getCallee());
  function.setDoesNotThrow();
  function.setWillReturn();
  // It writes what nobody else can see: not removed, not hoisted, and in nobody's way.
  function.setMemoryEffects(llvm::MemoryEffects::inaccessibleMemOnly());
  return callee;
}

llvm::CallInst* as_flag_read(llvm::Instruction& instruction) {
  auto* const call = llvm::dyn_cast<llvm::CallInst>(&instruction);
  if (call == nullptr || call->getCalledFunction() == nullptr) return nullptr;
  return call->getCalledFunction()->getName().starts_with(prefix) ? call : nullptr;
}

}  // namespace shunt::wasm
