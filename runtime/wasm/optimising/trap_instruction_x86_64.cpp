#include "runtime/wasm/optimising/trap_instruction.h"

namespace shunt::wasm {

const char* const trap_instruction = "ud2\n\t.byte ${0:c}";

TrapCode trap_at(const std::uint8_t* pc) {
  return pc[0] == 0x0f && pc[1] == 0x0b ? static_cast<TrapCode>(pc[2]) : TrapCode::None;
}

}  // namespace shunt::wasm
