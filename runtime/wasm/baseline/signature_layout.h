// The guest's calling convention: where the arguments and results of a signature are.
//
// The first arguments of each class are in registers (RegisterRoles), the others in words of the caller's outgoing
// area, in order. The last result is in its class's result register, the ones before it in the words that follow the
// arguments'. The outgoing area starts at the caller's stack pointer, so the callee finds it above its return address.
// The callee preserves the saved registers, the context and the memory base.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/wasm/baseline/registers.h"
#include "runtime/wasm/module/module_data.h"

namespace shunt::wasm::baseline {

struct SignatureLayout {
  struct Place {
    Reg reg{};               // invalid: on the stack
    std::uint32_t word = 0;  // of the outgoing area
  };

  SignatureLayout(const FunctionType& type, const RegisterRoles& roles);

  const FunctionType* type;
  std::vector<Place> params;
  std::uint32_t argument_words = 0;

  [[nodiscard]] std::uint32_t result_word(std::size_t result) const {
    return argument_words + static_cast<std::uint32_t>(result);
  }
  // Size of the outgoing area that a call needs.
  [[nodiscard]] std::uint32_t words() const {
    const std::size_t results = type->results.size();
    return argument_words + static_cast<std::uint32_t>(results > 1 ? results - 1 : 0);
  }
};

}  // namespace shunt::wasm::baseline
