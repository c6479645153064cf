#include "runtime/wasm/optimising/target.h"

#include <llvm/Support/TargetSelect.h>

namespace shunt::wasm {

void initialise_target() {
  LLVMInitializeAArch64TargetInfo();
  LLVMInitializeAArch64Target();
  LLVMInitializeAArch64TargetMC();
  LLVMInitializeAArch64AsmPrinter();
  LLVMInitializeAArch64AsmParser();  // sites are inline assembly
}

const unsigned loop_alignment = 0;

const char* const same_float_register = "=w,0";

}  // namespace shunt::wasm
