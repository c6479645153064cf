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

// A cache line. LLVM's 16 leave it to chance how many lines a loop's first instructions lie in; by that alone CoreMark
// ran 4 % slower or faster (Zen 5).
const unsigned loop_alignment = 64;

const char* const same_float_register = "=x,0";

}  // namespace shunt::wasm
