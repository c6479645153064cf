#include "runtime/wasm/baseline/flag_loads.h"

#include "runtime/wasm/baseline/arm64_constants.h"

namespace shunt::wasm::baseline {
namespace {

namespace a64 = asmjit::a64;

constexpr std::uint32_t scratch_id = 16;  // guest code keeps nothing in it
const a64::Gp scratch = a64::x(scratch_id);

void load_word(a64::Assembler& a) {
  a.ldar(scratch, a64::ptr(scratch));
}

void load_word(Arm64Selection& s, std::uint32_t offset) {
  a64::Assembler& a = s.assembler();
  arm64::move_constant(a, true, scratch_id, offset);
  a.add(scratch, a64::x(Arm64Selection::context.id()), scratch);
  load_word(a);
}

void leave(a64::Assembler& a, const asmjit::Label& set, const asmjit::Label& zero) {
  const asmjit::Label is_zero = a.newLabel();  // near: the others may be out of CBZ's reach
  a.cbz(scratch, is_zero);
  a.b(set);
  a.bind(is_zero);
  a.b(zero);
}

}  // namespace

void load_cell(Arm64Selection& s, ValueType type, Reg dst, std::uint32_t offset) {
  load_word(s, offset);
  a64::Assembler& a = s.assembler();
  if (class_of(type) == RegClass::Float) {
    a.fmov(a64::d(dst.id()), scratch);
  } else if (is_wide(type)) {
    a.mov(a64::x(dst.id()), scratch);
  } else {
    a.mov(a64::w(dst.id()), scratch.w());
  }
}

void branch_cell(Arm64Selection& s, std::uint32_t offset, const asmjit::Label& set, const asmjit::Label& zero) {
  load_word(s, offset);
  leave(s.assembler(), set, zero);
}

void branch_absolute(Arm64Selection& s, const void* address, const asmjit::Label& set, const asmjit::Label& zero) {
  arm64::move_constant(s.assembler(), true, scratch_id, reinterpret_cast<std::uintptr_t>(address));
  load_word(s.assembler());
  leave(s.assembler(), set, zero);
}

}  // namespace shunt::wasm::baseline
