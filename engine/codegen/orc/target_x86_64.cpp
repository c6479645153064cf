#include "engine/codegen/orc/target.h"

#include <llvm/Support/TargetSelect.h>

namespace shunt::orc {
namespace {

bool initialise() {
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
  LLVMInitializeX86AsmParser();
  return true;
}

}  // namespace

void initialise_target() {
  [[maybe_unused]] static const bool initialised = initialise();
}

}  // namespace shunt::orc
