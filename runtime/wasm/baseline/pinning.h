// Which locals live in registers: heaviest first, each in one register over its whole range, registers shared by locals
// whose ranges do not meet. A pinned local is in its register or nowhere, so control flow never shuffles locals.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/wasm/baseline/function_analysis.h"
#include "runtime/wasm/baseline/registers.h"

namespace shunt::wasm::baseline {

class Pinning {
 public:
  void assign(const FunctionBody& body, const FunctionAnalysis& analysis, const SignatureLayout& layout,
              const RegisterRoles& roles);

  // Invalid if the local lives in the frame.
  [[nodiscard]] Reg of(std::uint32_t local) const { return registers_[local]; }
  [[nodiscard]] RegSet saved() const { return saved_; }  // callee-saved registers that locals use

  struct Pin {
    std::uint32_t local;
    std::uint32_t begin, end;  // LocalRange
    Reg reg;
  };
  [[nodiscard]] std::span<const Pin> by_end() const { return pins_; }  // ascending by end

 private:
  Reg choose(std::uint32_t local, const FunctionBody& body, const FunctionAnalysis& analysis,
             const SignatureLayout& layout, const RegisterRoles& roles) const;

  std::vector<Reg> registers_;  // by local
  std::vector<Pin> pins_;
  RegSet saved_;
};

}  // namespace shunt::wasm::baseline
