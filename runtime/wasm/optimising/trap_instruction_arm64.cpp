#include "runtime/wasm/optimising/trap_instruction.h"

#include <cstring>

namespace shunt::wasm {

const char* const trap_instruction = "udf #${0:c}";

// UDF #imm16: the upper half is zero (Arm ARM, C6.2, UDF).
TrapCode trap_at(const std::uint8_t* pc) {
  std::uint32_t instruction = 0;
  std::memcpy(&instruction, pc, sizeof instruction);
  return instruction <= 0xffff ? static_cast<TrapCode>(instruction) : TrapCode::None;
}

}  // namespace shunt::wasm
