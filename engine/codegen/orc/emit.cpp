// Sites in IR.
#include <llvm/ADT/STLExtras.h>
#include <llvm/ADT/SmallVector.h>
#include <llvm/IR/Function.h>
#include <llvm/IR/InlineAsm.h>
#include <llvm/IR/Module.h>
#include <llvm/TargetParser/Triple.h>

#include <array>
#include <string>

#include "engine/codegen/orc/site_instructions.h"
#include "engine/codegen/orc/site_text.h"
#include "shunt/codegen/orc.h"

namespace shunt::orc {
namespace {

constexpr const char* frame_metadata = "shunt.frame";

const llvm::Module& module_of(const llvm::IRBuilderBase& builder) {
  return *builder.GetInsertBlock()->getModule();
}

const SiteInstructions* instructions_for(const llvm::IRBuilderBase& builder) {
  return site_instructions(llvm::Triple(module_of(builder).getTargetTriple()));
}

// The name of an operand that is a label.
std::string label(std::size_t operand) {
  return "${" + std::to_string(operand) + ":l}";
}

// A symbol in inline assembly, whatever characters it has.
std::string quoted(llvm::StringRef symbol) {
  std::string text = "\"";
  for (const char c : symbol) text += c == '$' ? "$$" : c == '"' || c == '\\' ? std::string{'\\', c} : std::string{c};
  return text + "\"";
}

llvm::CallInst* emit_stubbed(llvm::IRBuilderBase& builder, KeyBase& key, SiteForm form, const std::string& entry,
                             llvm::ArrayRef<llvm::Value*> operands) {
  const SiteInstructions* const instructions = instructions_for(builder);
  const std::string text = detour(instructions, key, form, entry);
  std::string constraints = operands.empty() ? "" : "*m,";
  constraints += "~{memory}";
  if (instructions != nullptr && *instructions->clobbers != 0) constraints += std::string(",") + instructions->clobbers;
  llvm::SmallVector<llvm::Type*> types;
  for (llvm::Value* const operand : operands) types.push_back(operand->getType());
  llvm::FunctionType* const type = llvm::FunctionType::get(builder.getVoidTy(), types, false);
  llvm::CallInst* const call = builder.CreateCall(type, llvm::InlineAsm::get(type, text, constraints, true), operands);
  if (!operands.empty()) {
    call->addParamAttr(0, llvm::Attribute::get(builder.getContext(), llvm::Attribute::ElementType,
                                               llvm::Type::getInt8Ty(builder.getContext())));
  }
  call->setDoesNotThrow();
  return call;
}

// A byte of the function's frame. Assembly that refers to it stands behind the prologue, wherever shrink-wrapping would
// have it else.
llvm::AllocaInst* frame_byte(llvm::Function& function) {
  llvm::BasicBlock& entry = function.getEntryBlock();
  for (llvm::Instruction& instruction : entry) {
    if (auto* const found = llvm::dyn_cast<llvm::AllocaInst>(&instruction); found && found->hasMetadata(frame_metadata))
      return found;
  }
  llvm::IRBuilder<> builder(&entry, entry.begin());
  llvm::AllocaInst* const made = builder.CreateAlloca(builder.getInt8Ty(), nullptr, "frame");
  made->setMetadata(frame_metadata, llvm::MDNode::get(function.getContext(), {}));
  return made;
}

}  // namespace

llvm::CallBrInst* emit_branch(llvm::IRBuilderBase& builder, KeyBase& key, SiteForm form, llvm::BasicBlock* off,
                              std::span<llvm::BasicBlock* const> targets) {
  llvm::SmallVector<llvm::BasicBlock*> blocks;
  std::vector<std::string> names;
  for (llvm::BasicBlock* const target : targets) {
    const auto found = llvm::find(blocks, target);
    names.push_back(label(static_cast<std::size_t>(found - blocks.begin())));
    if (found == blocks.end()) blocks.push_back(target);
  }
  std::string text = unknown_target();
  std::string constraints;
  for (std::size_t i = 0; i < blocks.size(); ++i) constraints += i == 0 ? "!i" : ",!i";
  if (const SiteInstructions* const instructions = instructions_for(builder)) {
    form = instructions->form(form);
    const std::string site = instructions->site(form, names.front());
    text = site.empty() ? unknown_form() : site + record(key, form, names);
    if (*instructions->clobbers != 0) constraints += std::string(",") + instructions->clobbers;
  }
  llvm::FunctionType* const type = llvm::FunctionType::get(builder.getVoidTy(), false);
  return builder.CreateCallBr(type, llvm::InlineAsm::get(type, text, constraints, true), off, blocks);
}

llvm::CallBrInst* emit_branch(llvm::IRBuilderBase& builder, StaticKey& key, llvm::BasicBlock* off,
                              llvm::BasicBlock* on) {
  return emit_branch(builder, key, SiteForm::Toggle, off, std::array{on});
}

llvm::CallInst* emit_detour(llvm::IRBuilderBase& builder, KeyBase& key, SiteForm form, std::uint64_t entry) {
  return emit_stubbed(builder, key, form, std::to_string(entry), {});
}

llvm::CallInst* emit_detour(llvm::IRBuilderBase& builder, KeyBase& key, SiteForm form, const llvm::Function& entry) {
  return emit_stubbed(builder, key, form, quoted(entry.getName()), {});
}

void emit_redirectable(llvm::Function& function, KeyBase& key, unsigned states, const llvm::Function& otherwise) {
  function.addFnAttr(llvm::Attribute::Naked);
  function.addFnAttr(llvm::Attribute::NoInline);
  llvm::IRBuilder<> builder(llvm::BasicBlock::Create(function.getContext(), "entry", &function));
  std::string text = unknown_target();
  if (const SiteInstructions* const instructions = instructions_for(builder)) {
    const std::string other = quoted(otherwise.getName());
    const std::vector<std::string> targets(states - 1, other);
    text = instructions->site(SiteForm::AlignedWord, other) + instructions->jump(other) +
           record(key, SiteForm::AlignedWord, targets);
  }
  llvm::FunctionType* const type = llvm::FunctionType::get(builder.getVoidTy(), false);
  builder.CreateCall(type, llvm::InlineAsm::get(type, text, "~{memory}", true));
  builder.CreateUnreachable();
}

llvm::CallInst* emit_safepoint(llvm::IRBuilderBase& builder, Engine& engine) {
  llvm::AllocaInst* const frame = frame_byte(*builder.GetInsertBlock()->getParent());
  return emit_stubbed(builder, engine.safepoint_key(), SiteForm::Toggle, number(Engine::safepoint_entry()), {frame});
}

}  // namespace shunt::orc
