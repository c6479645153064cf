#include "runtime/wasm/optimising/target.h"

#include <llvm/Support/TargetSelect.h>

namespace shunt::wasm {

void initialise_target() {
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
  LLVMInitializeX86AsmParser();  // sites are inline assembly
}

const char* const same_float_register = "=x,0";

}  // namespace shunt::wasm
