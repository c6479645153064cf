// x86-64: operands, moves, frames, linear memory.
#include "runtime/wasm/baseline/x86_64_selection.h"

namespace shunt::wasm::baseline {

using namespace asmjit;  // NOLINT(google-build-using-namespace): mnemonics and registers

X86Features X86Features::host() {
  const CpuFeatures::X86& cpu = CpuInfo::host().features().x86();
  return {.bmi1 = cpu.hasBMI(), .bmi2 = cpu.hasBMI2(), .lzcnt = cpu.hasLZCNT()};
}

bool X86Features::host_suffices() {
  const CpuFeatures::X86& cpu = CpuInfo::host().features().x86();
  return cpu.hasSSE4_2() && cpu.hasPOPCNT();
}

X86Selection::X86Selection(CodeHolder& holder, X86Features features) : a_(&holder), features_(features) {}

// --- operands ---

X86Selection::Mem X86Selection::memory(Operand operand, std::uint32_t bytes) {
  if (operand.is_frame()) return frame_word(operand.frame, bytes);
  note_access();
  const auto offset = static_cast<std::int32_t>(operand.bits);
  return operand.reg.valid() ? Mem(gpq(memory_base), gpq(operand.reg), 0, offset, bytes)
                             : Mem(gpq(memory_base), offset, bytes);
}

// Offsets beyond 31 bits do not fit an instruction; they are added to the index in 64 bits, where nothing wraps.
X86Selection::Mem X86Selection::linear(Reg index, std::uint64_t offset, std::uint32_t bytes, Scratch& scratch) {
  if (offset > 0x7fff'ffff) {
    const Reg sum = scratch.general();
    move_constant(true, sum, offset);
    if (index.valid()) a_.add(gpq(sum), gpq(index));
    index = sum;
    offset = 0;
  }
  return memory(Operand::memory(index, offset), bytes);
}

X86Selection::Mem X86Selection::literal(ValueType type, std::uint64_t bits) {
  constexpr std::size_t searched = 32;  // the latest ones; a duplicate costs eight bytes
  const bool wide = is_wide(type);
  const std::size_t first = literals_.size() > searched ? literals_.size() - searched : 0;
  for (std::size_t i = first; i < literals_.size(); ++i) {
    if (literals_[i].bits == bits && literals_[i].wide == wide) return Mem(literals_[i].label, 0, wide ? 8 : 4);
  }
  literals_.push_back({.bits = bits, .wide = wide, .label = new_label()});
  return Mem(literals_.back().label, 0, wide ? 8 : 4);
}

void X86Selection::emit_right(InstId inst, bool wide, Reg dst, Operand right, Scratch& scratch) {
  switch (right.kind) {
    case Operand::Kind::Register:
      a_.emit(inst, gp(dst, wide), gp(right.reg, wide));
      return;
    case Operand::Kind::Constant:
      if (fits_imm32(wide, right.bits)) {
        a_.emit(inst, gp(dst, wide), Imm(static_cast<std::int32_t>(right.bits)));
      } else {
        const Reg constant = scratch.general();
        move_constant(wide, constant, right.bits);
        a_.emit(inst, gp(dst, wide), gp(constant, wide));
      }
      return;
    default:
      a_.emit(inst, gp(dst, wide), memory(right, wide ? 8 : 4));
  }
}

Reg X86Selection::in_general(bool wide, Operand operand, Scratch& scratch) {
  if (operand.is_register()) return operand.reg;
  const Reg reg = scratch.general();
  move(wide ? ValueType::I64 : ValueType::I32, reg, operand);
  return reg;
}

Reg X86Selection::in_float(ValueType type, Operand operand, Scratch& scratch) {
  if (operand.is_register()) return operand.reg;
  const Reg reg = scratch.floating();
  move(type, reg, operand);
  return reg;
}

// --- moves ---

// Keeps the flags.
void X86Selection::move_constant(bool wide, Reg dst, std::uint64_t bits) {
  if (!wide || bits <= 0xffff'ffff) {
    a_.mov(gpd(dst), Imm(static_cast<std::uint32_t>(bits)));
  } else {
    a_.mov(gpq(dst), Imm(static_cast<std::int64_t>(bits)));
  }
}

void X86Selection::move(ValueType type, Reg dst, Operand src) {
  const bool wide = is_wide(type);
  if (class_of(type) == RegClass::General) {
    if (src.is_register()) {
      if (src.reg != dst) a_.mov(gp(dst, wide), gp(src.reg, wide));
    } else if (src.is_constant()) {
      move_constant(wide, dst, src.bits);
    } else {
      a_.mov(gp(dst, wide), memory(src, wide ? 8 : 4));
    }
    return;
  }
  if (src.is_register()) {
    if (src.reg != dst) a_.movaps(xmm(dst), xmm(src.reg));
  } else if (src.is_constant() && src.bits == 0) {
    a_.xorps(xmm(dst), xmm(dst));
  } else {
    const Mem source = src.is_constant() ? literal(type, src.bits) : memory(src, wide ? 8 : 4);
    a_.emit(wide ? x86::Inst::kIdMovsd : x86::Inst::kIdMovss, xmm(dst), source);
  }
}

void X86Selection::store_frame(ValueType type, std::int32_t frame, Operand src) {
  const bool wide = is_wide(type);
  const Mem target = frame_word(frame, wide ? 8 : 4);
  if (src.is_register()) {
    if (class_of(type) == RegClass::General) {
      a_.mov(target, gp(src.reg, wide));
    } else {
      a_.emit(wide ? x86::Inst::kIdMovsd : x86::Inst::kIdMovss, target, xmm(src.reg));
    }
  } else if (fits_imm32(wide, src.bits)) {
    a_.mov(target, Imm(static_cast<std::int32_t>(src.bits)));
  } else {
    a_.mov(frame_word(frame, 4), Imm(static_cast<std::int32_t>(src.bits)));
    a_.mov(frame_word(frame + 4, 4), Imm(static_cast<std::int32_t>(src.bits >> 32)));
  }
}

void X86Selection::exchange(Reg left, Reg right) {
  if (left.cls() == RegClass::General) {
    a_.xchg(gpq(left), gpq(right));
    return;
  }
  a_.xorps(xmm(left), xmm(right));
  a_.xorps(xmm(right), xmm(left));
  a_.xorps(xmm(left), xmm(right));
}

void X86Selection::load_field(ValueType type, Reg dst, Reg base, std::int32_t offset) {
  const bool wide = is_wide(type);
  const Mem source(gpq(base), offset, wide ? 8 : 4);
  if (class_of(type) == RegClass::General) {
    a_.mov(gp(dst, wide), source);
  } else {
    a_.emit(wide ? x86::Inst::kIdMovsd : x86::Inst::kIdMovss, xmm(dst), source);
  }
}

void X86Selection::store_field(ValueType type, Reg base, std::int32_t offset, Operand value, Scratch& scratch) {
  const bool wide = is_wide(type);
  const Mem target(gpq(base), offset, wide ? 8 : 4);
  if (value.is_constant() && fits_imm32(wide, value.bits)) {
    a_.mov(target, Imm(static_cast<std::int32_t>(value.bits)));
  } else if (class_of(type) == RegClass::General || value.is_constant()) {
    a_.mov(target, gp(in_general(wide, value, scratch), wide));
  } else {
    const Reg reg = in_float(type, value, scratch);
    a_.emit(wide ? x86::Inst::kIdMovsd : x86::Inst::kIdMovss, target, xmm(reg));
  }
}

void X86Selection::load_absolute(ValueType type, Reg dst, Reg scratch, const void* address) {
  const Reg pointer = class_of(type) == RegClass::General ? dst : scratch;
  move_constant(true, pointer, reinterpret_cast<std::uintptr_t>(address));
  load_field(type, dst, pointer, 0);
}

// --- linear memory ---

void X86Selection::load(const OpInfo& info, Reg dst, Reg index, std::uint64_t offset, Scratch& scratch) {
  const bool wide = is_wide(info.result);
  const Mem source = linear(index, offset, info.bytes, scratch);
  if (class_of(info.result) == RegClass::Float) {
    a_.emit(wide ? x86::Inst::kIdMovsd : x86::Inst::kIdMovss, xmm(dst), source);
  } else if (info.bytes == 8 || (info.bytes == 4 && !wide)) {
    a_.mov(gp(dst, wide), source);
  } else if (info.bytes == 4) {
    if (info.is_signed) {
      a_.movsxd(gpq(dst), source);
    } else {
      a_.mov(gpd(dst), source);
    }
  } else if (info.is_signed) {
    a_.movsx(gp(dst, wide), source);
  } else {
    a_.movzx(gpd(dst), source);
  }
}

void X86Selection::store(const OpInfo& info, Reg index, std::uint64_t offset, Operand value, Scratch& scratch) {
  const bool wide = info.bytes == 8;
  if (value.is_constant() && fits_imm32(wide, value.bits)) {
    const auto bits = static_cast<std::int32_t>(value.bits);
    const Mem target = linear(index, offset, info.bytes, scratch);
    a_.mov(target, Imm(info.bytes == 1   ? static_cast<std::int8_t>(bits)
                       : info.bytes == 2 ? static_cast<std::int16_t>(bits)
                                         : bits));
    return;
  }
  if (class_of(info.operand) == RegClass::Float && !value.is_constant()) {
    const Reg reg = in_float(info.operand, value, scratch);
    const Mem target = linear(index, offset, info.bytes, scratch);
    a_.emit(wide ? x86::Inst::kIdMovsd : x86::Inst::kIdMovss, target, xmm(reg));
    return;
  }
  const Reg reg = in_general(wide, value, scratch);
  const Mem target = linear(index, offset, info.bytes, scratch);
  switch (info.bytes) {
    case 1:
      a_.mov(target, x86::gpb(reg.id()));
      return;
    case 2:
      a_.mov(target, x86::gpw(reg.id()));
      return;
    default:
      a_.mov(target, gp(reg, wide));
  }
}

}  // namespace shunt::wasm::baseline
