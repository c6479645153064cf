// arm64: operands, moves, linear memory.
#include "runtime/wasm/baseline/arm64_constants.h"
#include "runtime/wasm/baseline/arm64_selection.h"

namespace shunt::wasm::baseline {

using namespace asmjit;  // NOLINT(google-build-using-namespace): mnemonics and registers

Arm64Selection::Arm64Selection(CodeHolder& holder, Arm64Features) : a_(&holder), holder_(holder) {}

// --- operands ---

Arm64Selection::Gp Arm64Selection::gpx(Reg reg) {
  return reg == zero ? Gp(a64::xzr) : Gp(a64::x(reg.id()));
}
Arm64Selection::Gp Arm64Selection::gpw(Reg reg) {
  return reg == zero ? Gp(a64::wzr) : Gp(a64::w(reg.id()));
}
Arm64Selection::Vec Arm64Selection::vec(Reg reg, bool is_double) {
  return is_double ? Vec(a64::d(reg.id())) : Vec(a64::s(reg.id()));
}
Arm64Selection::Vec Arm64Selection::vec(Reg reg, ValueType type) {
  return vec(reg, type == ValueType::F64);
}

// Keeps the flags. `dst` and `base` may be the stack pointer.
void Arm64Selection::add_constant(const Gp& dst, const Gp& base, std::int64_t value) {
  const bool negative = value < 0;
  const std::uint64_t magnitude = negative ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  const std::uint64_t low = magnitude & 0xfff;
  const std::uint64_t high = magnitude - low;
  const auto step = [&](const Gp& from, std::uint64_t bits) {
    if (negative) {
      a_.sub(dst, from, Imm(bits));
    } else {
      a_.add(dst, from, Imm(bits));
    }
  };
  if (high != 0) step(base, high);
  if (low != 0 || high == 0) step(high != 0 ? dst : base, low);
}

Arm64Selection::Mem Arm64Selection::field(const Gp& base, std::int64_t offset, std::uint32_t bytes, Reg address) {
  constexpr std::int64_t reach_of_add = 0x100'0000;
  if (arm64::is_access_offset(offset, bytes)) return a64::ptr(base, static_cast<std::int32_t>(offset));
  if (offset < reach_of_add && offset > -reach_of_add) {
    const std::int64_t low = offset & 0xfff;
    const bool reaches = arm64::is_access_offset(low, bytes);
    add_constant(gpx(address), base, reaches ? offset - low : offset);
    return a64::ptr(gpx(address), reaches ? static_cast<std::int32_t>(low) : 0);
  }
  move_constant(true, address, static_cast<std::uint64_t>(offset));
  a_.add(gpx(address), gpx(address), base);
  return a64::ptr(gpx(address));
}

Arm64Selection::Mem Arm64Selection::frame_word(std::int32_t offset, std::uint32_t bytes, Reg address) {
  return field(a64::sp, offset, bytes, address);
}

Reg Arm64Selection::in_general(bool wide, Operand operand, Reg temporary) {
  if (operand.is_register()) return operand.reg;
  move(wide ? ValueType::I64 : ValueType::I32, temporary, operand);
  return temporary;
}

Reg Arm64Selection::in_general_or_zero(bool wide, Operand operand, Reg temporary) {
  const bool is_zero = operand.is_constant() && (wide ? operand.bits : operand.bits & 0xffff'ffff) == 0;
  return is_zero ? zero : in_general(wide, operand, temporary);
}

Reg Arm64Selection::in_float(ValueType type, Operand operand, Reg temporary) {
  if (operand.is_register()) return operand.reg;
  move(type, temporary, operand);
  return temporary;
}

// --- moves ---

void Arm64Selection::move_constant(bool wide, Reg dst, std::uint64_t bits) {
  arm64::move_constant(a_, wide, dst.id(), bits);
}

void Arm64Selection::float_constant(ValueType type, Reg dst, std::uint64_t bits) {
  const bool wide = is_wide(type);
  if (bits == 0) {
    a_.movi(a64::d(dst.id()), Imm(0));
  } else if (const std::optional<double> immediate = arm64::float_immediate(wide, bits)) {
    a_.fmov(vec(dst, type), Imm(*immediate));
  } else {
    move_constant(wide, x17, bits);
    a_.fmov(vec(dst, type), gp(x17, wide));
  }
}

void Arm64Selection::load_word(ValueType type, Reg dst, const Mem& source) {
  if (class_of(type) == RegClass::General) {
    a_.ldr(gp(dst, is_wide(type)), source);
  } else {
    a_.ldr(vec(dst, type), source);
  }
}

void Arm64Selection::store_word(ValueType type, Reg src, const Mem& target) {
  if (class_of(type) == RegClass::General) {
    a_.str(gp(src, is_wide(type)), target);
  } else {
    a_.str(vec(src, type), target);
  }
}

void Arm64Selection::move(ValueType type, Reg dst, Operand src) {
  const bool wide = is_wide(type);
  const bool is_general = class_of(type) == RegClass::General;
  if (src.is_frame()) {
    load_word(type, dst, frame_word(src.frame, wide ? 8 : 4, is_general ? dst : x16));
  } else if (is_general) {
    if (src.is_constant()) {
      move_constant(wide, dst, src.bits);
    } else if (src.reg != dst) {
      a_.mov(gp(dst, wide), gp(src.reg, wide));
    }
  } else if (src.is_constant()) {
    float_constant(type, dst, src.bits);
  } else if (src.reg != dst) {
    a_.fmov(vec(dst, type), vec(src.reg, type));
  }
}

void Arm64Selection::store_frame(ValueType type, std::int32_t frame, Operand src) {
  const bool wide = is_wide(type);
  if (src.is_register()) {
    store_word(type, src.reg, frame_word(frame, wide ? 8 : 4));
  } else {
    const Reg bits = in_general_or_zero(wide, src, x17);
    store_word(wide ? ValueType::I64 : ValueType::I32, bits, frame_word(frame, wide ? 8 : 4));
  }
}

void Arm64Selection::exchange(Reg left, Reg right) {
  if (left.cls() == RegClass::General) {
    a_.mov(gpx(x16), gpx(left));
    a_.mov(gpx(left), gpx(right));
    a_.mov(gpx(right), gpx(x16));
  } else {
    a_.fmov(a64::d(v31.id()), a64::d(left.id()));
    a_.fmov(a64::d(left.id()), a64::d(right.id()));
    a_.fmov(a64::d(right.id()), a64::d(v31.id()));
  }
}

void Arm64Selection::load_field(ValueType type, Reg dst, Reg base, std::int32_t offset) {
  load_word(type, dst, field(gpx(base), offset, is_wide(type) ? 8 : 4));
}

void Arm64Selection::store_field(ValueType type, Reg base, std::int32_t offset, Operand value, Scratch&) {
  const bool wide = is_wide(type);
  if (class_of(type) == RegClass::Float && !value.is_constant()) {
    const Reg reg = in_float(type, value, v31);
    store_word(type, reg, field(gpx(base), offset, wide ? 8 : 4));
  } else {
    const Reg reg = in_general_or_zero(wide, value, x17);
    store_word(wide ? ValueType::I64 : ValueType::I32, reg, field(gpx(base), offset, wide ? 8 : 4));
  }
}

void Arm64Selection::load_absolute(ValueType type, Reg dst, Reg, const void* address) {
  move_constant(true, x16, reinterpret_cast<std::uintptr_t>(address));
  a_.ldar(gpx(x16), a64::ptr(gpx(x16)));
  const bool wide = is_wide(type);
  if (class_of(type) == RegClass::General) {
    a_.mov(gp(dst, wide), gp(x16, wide));
  } else {
    a_.fmov(vec(dst, type), gp(x16, wide));
  }
}

// --- linear memory ---

// The effective address has 33 bits: the index is zero-extended, and all sums are made in 64 bits, where nothing wraps.
Arm64Selection::Mem Arm64Selection::linear(Reg index, std::uint64_t offset, std::uint32_t bytes) {
  const auto distance = static_cast<std::int64_t>(offset);
  if (!index.valid()) {
    if (arm64::is_access_offset(distance, bytes)) return a64::ptr(gpx(memory_base), static_cast<std::int32_t>(offset));
    move_constant(true, x16, offset);
    return a64::ptr(gpx(memory_base), gpx(x16));
  }
  if (offset == 0) return a64::ptr(gpx(memory_base), gpx(index));
  if (arm64::is_access_offset(distance, bytes)) {
    a_.add(gpx(x16), gpx(memory_base), gpx(index));
    return a64::ptr(gpx(x16), static_cast<std::int32_t>(offset));
  }
  if (arm64::is_add_immediate(offset)) {
    a_.add(gpx(x16), gpx(index), Imm(offset));
  } else {
    move_constant(true, x16, offset);
    a_.add(gpx(x16), gpx(x16), gpx(index));
  }
  return a64::ptr(gpx(memory_base), gpx(x16));
}

void Arm64Selection::load(const OpInfo& info, Reg dst, Reg index, std::uint64_t offset, Scratch&) {
  const bool wide = is_wide(info.result);
  const Mem source = linear(index, offset, info.bytes);
  note_access();
  if (class_of(info.result) == RegClass::Float) {
    a_.ldr(vec(dst, info.result), source);
  } else if (info.bytes == 8 || (info.bytes == 4 && !(wide && info.is_signed))) {
    a_.ldr(gp(dst, info.bytes == 8), source);
  } else if (info.bytes == 4) {
    a_.ldrsw(gpx(dst), source);
  } else if (info.bytes == 2) {
    info.is_signed ? a_.ldrsh(gp(dst, wide), source) : a_.ldrh(gpw(dst), source);
  } else {
    info.is_signed ? a_.ldrsb(gp(dst, wide), source) : a_.ldrb(gpw(dst), source);
  }
}

// Puts an address in x16, from which both the access of `bytes` and its last byte are in reach; returns the distance.
std::int32_t Arm64Selection::store_address(Reg index, std::uint64_t offset, std::uint32_t bytes) {
  constexpr std::uint64_t reach_of_bytes = 0x1000;
  if (index.valid() && offset + bytes <= reach_of_bytes &&
      arm64::is_access_offset(static_cast<std::int64_t>(offset), bytes)) {
    a_.add(gpx(x16), gpx(memory_base), gpx(index));
    return static_cast<std::int32_t>(offset);
  }
  move_constant(true, x16, offset);
  if (index.valid()) a_.add(gpx(x16), gpx(x16), gpx(index));
  a_.add(gpx(x16), gpx(x16), gpx(memory_base));
  return 0;
}

// A store that lies partly beyond the memory must write nothing, but where an unaligned store faults in its second page
// the architecture leaves open what becomes of the first: a load of the last byte faults before it.
Arm64Selection::Mem Arm64Selection::store_target(Reg index, std::uint64_t offset, std::uint32_t bytes) {
  if (bytes == 1 || (!index.valid() && offset % bytes == 0)) return linear(index, offset, bytes);
  const std::int32_t distance = store_address(index, offset, bytes);
  note_access();
  a_.ldrb(a64::wzr, a64::ptr(gpx(x16), distance + static_cast<std::int32_t>(bytes) - 1));
  return a64::ptr(gpx(x16), distance);
}

void Arm64Selection::store(const OpInfo& info, Reg index, std::uint64_t offset, Operand value, Scratch&) {
  const bool wide = info.bytes == 8;
  const bool is_float = class_of(info.operand) == RegClass::Float && !value.is_constant();
  const Reg reg = is_float ? in_float(info.operand, value, v31) : in_general_or_zero(wide, value, x17);
  const Mem target = store_target(index, offset, info.bytes);
  note_access();
  if (is_float) {
    a_.str(vec(reg, info.operand), target);
  } else if (info.bytes >= 4) {
    a_.str(gp(reg, wide), target);
  } else if (info.bytes == 2) {
    a_.strh(gpw(reg), target);
  } else {
    a_.strb(gpw(reg), target);
  }
}

}  // namespace shunt::wasm::baseline
