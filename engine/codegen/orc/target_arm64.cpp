#include "engine/codegen/orc/target.h"

#include <llvm/Support/TargetSelect.h>

namespace shunt::orc {
namespace {

bool initialise() {
  LLVMInitializeAArch64TargetInfo();
  LLVMInitializeAArch64Target();
  LLVMInitializeAArch64TargetMC();
  LLVMInitializeAArch64AsmPrinter();
  LLVMInitializeAArch64AsmParser();
  return true;
}

}  // namespace

void initialise_target() {
  [[maybe_unused]] static const bool initialised = initialise();
}

}  // namespace shunt::orc
