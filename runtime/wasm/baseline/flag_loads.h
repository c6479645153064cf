// How stubs of flags load values as data: the one that all contexts have, and the instance's own. Each acquires a
// 64-bit word.
#pragma once

#include <asmjit/core.h>

#include <cstdint>

#include "runtime/wasm/baseline/arm64_selection.h"
#include "runtime/wasm/baseline/x86_64_selection.h"

namespace shunt::wasm::baseline {

// The word at this offset from the VmContext, as a value of the type.
void load_cell(X86Selection& s, ValueType type, Reg dst, std::uint32_t offset);
void load_cell(Arm64Selection& s, ValueType type, Reg dst, std::uint32_t offset);

// To `set` if that word is not zero, else to `zero`. The processor flags are dead, registers are kept, and a frame may
// use the red zone.
void branch_cell(X86Selection& s, std::uint32_t offset, const asmjit::Label& set, const asmjit::Label& zero);
void branch_cell(Arm64Selection& s, std::uint32_t offset, const asmjit::Label& set, const asmjit::Label& zero);

// The same by the word at an address.
void branch_absolute(X86Selection& s, const void* address, const asmjit::Label& set, const asmjit::Label& zero);
void branch_absolute(Arm64Selection& s, const void* address, const asmjit::Label& set, const asmjit::Label& zero);

}  // namespace shunt::wasm::baseline
