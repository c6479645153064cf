#include "runtime/wasm/optimising/flag_reads.h"

#include <llvm/ADT/StringRef.h>
#include <llvm/Support/ModRef.h>

namespace shunt::wasm {
namespace {

constexpr llvm::StringLiteral prefix = "shunt.flag.";
constexpr llvm::StringLiteral strip = "shunt.strip";

// It writes what nobody else can see: not removed, not hoisted, and in nobody's way.
void keep_in_place(llvm::FunctionCallee callee) {
  auto& function = *llvm::cast<llvm::Function>(callee.getCallee());
  function.setDoesNotThrow();
  function.setWillReturn();
  function.setMemoryEffects(llvm::MemoryEffects::inaccessibleMemOnly());
}

bool calls(const llvm::Instruction& instruction, llvm::StringRef begin) {
  const auto* const call = llvm::dyn_cast<llvm::CallInst>(&instruction);
  return call != nullptr && call->getCalledFunction() != nullptr &&
         call->getCalledFunction()->getName().starts_with(begin);
}

llvm::StringRef suffix(const llvm::Type& type) {
  if (type.isDoubleTy()) return "f64";
  return type.isIntegerTy(64) ? "i64" : "i32";
}

}  // namespace

llvm::FunctionCallee flag_read_function(llvm::Module& module, llvm::Type* result) {
  llvm::LLVMContext& context = module.getContext();
  llvm::FunctionCallee callee = module.getOrInsertFunction(
      (prefix + suffix(*result)).str(), result, llvm::Type::getInt64Ty(context), llvm::PointerType::getUnqual(context));
  keep_in_place(callee);
  auto& function = *llvm::cast<llvm::Function>(callee.getCallee());
  function.addParamAttr(1, llvm::Attribute::NoCapture);
  function.addParamAttr(1, llvm::Attribute::ReadNone);
  return callee;
}

llvm::CallInst* as_flag_read(llvm::Instruction& instruction) {
  return calls(instruction, prefix) ? llvm::cast<llvm::CallInst>(&instruction) : nullptr;
}

llvm::CallInst* mark_strip(llvm::IRBuilderBase& builder) {
  const llvm::FunctionCallee callee =
      builder.GetInsertBlock()->getModule()->getOrInsertFunction(strip, builder.getVoidTy());
  keep_in_place(callee);
  return builder.CreateCall(callee);
}

llvm::CallInst* as_strip_mark(llvm::Instruction& instruction) {
  return calls(instruction, strip) ? llvm::cast<llvm::CallInst>(&instruction) : nullptr;
}

}  // namespace shunt::wasm
