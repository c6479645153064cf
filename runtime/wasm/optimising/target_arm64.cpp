#include "runtime/wasm/optimising/target.h"

#include <llvm/Support/TargetSelect.h>

#include <cstring>

namespace shunt::wasm {

void initialise_target() {
  LLVMInitializeAArch64TargetInfo();
  LLVMInitializeAArch64Target();
  LLVMInitializeAArch64TargetMC();
  LLVMInitializeAArch64AsmPrinter();
  LLVMInitializeAArch64AsmParser();  // sites are inline assembly
}

const char* const trap_instruction = "udf #${0:c}";

const char* const same_float_register = "=w,0";

// UDF #imm16: the upper half is zero (Arm ARM, C6.2, UDF).
TrapCode trap_at(const std::uint8_t* pc) {
  std::uint32_t instruction = 0;
  std::memcpy(&instruction, pc, sizeof instruction);
  return instruction <= 0xffff ? static_cast<TrapCode>(instruction) : TrapCode::None;
}

}  // namespace shunt::wasm
