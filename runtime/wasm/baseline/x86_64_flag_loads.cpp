#include <asmjit/x86.h>

#include "runtime/wasm/baseline/flag_loads.h"

namespace shunt::wasm::baseline {

namespace x86 = asmjit::x86;

void load_cell(X86Selection& s, ValueType type, Reg dst, std::uint32_t offset) {
  s.load_field(type, dst, X86Selection::context, static_cast<std::int32_t>(offset));  // every load is an acquire
}

void branch_cell(X86Selection& s, std::uint32_t offset, const asmjit::Label& set, const asmjit::Label& zero) {
  x86::Assembler& a = s.assembler();
  a.cmp(x86::qword_ptr(x86::gpq(X86Selection::context.id()), static_cast<std::int32_t>(offset)), asmjit::Imm(0));
  a.jne(set);
  a.jmp(zero);
}

// An address has 64 bits, and no register is free.
void branch_absolute(X86Selection& s, const void* address, const asmjit::Label& set, const asmjit::Label& zero) {
  constexpr auto red_zone = static_cast<std::int32_t>(X86Selection::red_zone);
  x86::Assembler& a = s.assembler();
  const auto leave = [&](const asmjit::Label& to) {
    a.pop(x86::rcx);
    a.lea(x86::rsp, x86::ptr(x86::rsp, red_zone));
    a.jmp(to);
  };
  const asmjit::Label is_zero = a.newLabel();
  a.lea(x86::rsp, x86::ptr(x86::rsp, -red_zone));
  a.push(x86::rcx);
  a.mov(x86::rcx, reinterpret_cast<std::uintptr_t>(address));
  a.mov(x86::rcx, x86::qword_ptr(x86::rcx));
  a.jecxz(x86::rcx, is_zero);
  leave(set);
  a.bind(is_zero);
  leave(zero);
}

}  // namespace shunt::wasm::baseline
