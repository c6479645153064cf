// Sites in IR.
#include <llvm/ADT/STLExtras.h>
#include <llvm/ADT/SmallVector.h>
#include <llvm/IR/InlineAsm.h>
#include <llvm/IR/Module.h>
#include <llvm/TargetParser/Triple.h>

#include <string>

#include "engine/codegen/orc/site_instructions.h"
#include "engine/codegen/orc/site_record.h"
#include "shunt/codegen/orc.h"

namespace shunt::orc {
namespace {

// The name of an operand that is a label.
std::string label(std::size_t operand) {
  return "${" + std::to_string(operand) + ":l}";
}

// The site's record, in a piece of the section of its own, so that the linker can drop it with its code; targets by
// what they are called in the assembly.
std::string record(KeyBase& key, SiteForm form, std::span<const std::string> targets) {
  const std::uint64_t form_and_count = static_cast<std::uint64_t>(form) | targets.size() << 8;
  std::string text =
      ".pushsection " + std::string(site_section) + ",\"a\",@progbits,unique,${:uid}\n.p2align 3\n.quad 1b\n.quad " +
      std::to_string(reinterpret_cast<std::uintptr_t>(&key)) + "\n.quad " + std::to_string(form_and_count) + "\n";
  for (const std::string& target : targets) text += ".quad " + target + "\n";
  return text + ".popsection";
}

}  // namespace

llvm::CallBrInst* emit_branch(llvm::IRBuilderBase& builder, KeyBase& key, SiteForm form, llvm::BasicBlock* off,
                              std::span<llvm::BasicBlock* const> targets) {
  const llvm::Triple triple(builder.GetInsertBlock()->getModule()->getTargetTriple());
  form = form_on(triple, form);
  llvm::SmallVector<llvm::BasicBlock*> blocks;
  for (llvm::BasicBlock* const target : targets) {
    if (!llvm::is_contained(blocks, target)) blocks.push_back(target);
  }
  const auto operand = [&](llvm::BasicBlock* target) {
    return label(static_cast<std::size_t>(llvm::find(blocks, target) - blocks.begin()));
  };
  std::vector<std::string> names;
  for (llvm::BasicBlock* const target : targets) names.push_back(operand(target));
  const std::string text = site_instruction(triple, form, names.front()) + record(key, form, names);
  std::string constraints;
  for (std::size_t i = 0; i < blocks.size(); ++i) constraints += i == 0 ? "!i" : ",!i";
  constraints += site_clobbers(triple);
  llvm::FunctionType* const type = llvm::FunctionType::get(builder.getVoidTy(), false);
  llvm::InlineAsm* const assembly = llvm::InlineAsm::get(type, text, constraints, true);
  return builder.CreateCallBr(type, assembly, off, blocks);
}

llvm::CallInst* emit_detour(llvm::IRBuilderBase& builder, KeyBase& key, SiteForm form, std::uint64_t entry) {
  const llvm::Triple triple(builder.GetInsertBlock()->getModule()->getTargetTriple());
  form = form_on(triple, form);
  const std::string stub = "2b";
  const std::string text = site_instruction(triple, form, "2f") +
                           "3:\n.pushsection .text.shunt.stubs,\"ax\",@progbits\n" + detour_stub(triple, entry) +
                           ".popsection\n" + record(key, form, {&stub, 1});
  const std::string constraints = std::string("~{memory}") + site_clobbers(triple);
  llvm::FunctionType* const type = llvm::FunctionType::get(builder.getVoidTy(), false);
  return builder.CreateCall(type, llvm::InlineAsm::get(type, text, constraints, true));
}

}  // namespace shunt::orc
