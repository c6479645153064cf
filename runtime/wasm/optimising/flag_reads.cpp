#include "runtime/wasm/optimising/flag_reads.h"

#include <llvm/ADT/StringRef.h>
#include <llvm/Support/ModRef.h>

#include "runtime/wasm/optimising/llvm_versions.h"

namespace shunt::wasm {
namespace {

constexpr llvm::StringLiteral prefix = "shunt.flag.";
constexpr llvm::StringLiteral strip_begin = "shunt.strip.begin";
constexpr llvm::StringLiteral strip_end = "shunt.strip.end";

// It writes what nobody else can see: not removed, not hoisted, not merged, and in nobody's way.
void keep_in_place(llvm::FunctionCallee callee) {
  auto& function = *llvm::cast<llvm::Function>(callee.getCallee());
  function.setDoesNotThrow();
  function.setWillReturn();
  function.setMemoryEffects(llvm::MemoryEffects::inaccessibleMemOnly());
  function.addFnAttr(llvm::Attribute::NoMerge);  // two reads of different flags are not one of either
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
  function.addParamAttr(1, not_captured(context));
  function.addParamAttr(1, llvm::Attribute::ReadNone);
  return callee;
}

llvm::CallInst* as_flag_read(llvm::Instruction& instruction) {
  return calls(instruction, prefix) ? llvm::cast<llvm::CallInst>(&instruction) : nullptr;
}

void mark_strip(llvm::IRBuilderBase& builder, StripMark mark) {
  const llvm::FunctionCallee callee = builder.GetInsertBlock()->getModule()->getOrInsertFunction(
      mark == StripMark::Begin ? strip_begin : strip_end, builder.getVoidTy());
  keep_in_place(callee);
  builder.CreateCall(callee);
}

std::optional<StripMark> as_strip_mark(const llvm::Instruction& instruction) {
  if (calls(instruction, strip_begin)) return StripMark::Begin;
  if (calls(instruction, strip_end)) return StripMark::End;
  return std::nullopt;
}

}  // namespace shunt::wasm
